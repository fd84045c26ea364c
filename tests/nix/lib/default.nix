# As much of nixpkgs' lib as the module needs, made for these tests: nixpkgs is not on the machines that they run on.
# What it does not do: priorities (mkDefault, mkForce), order, imports, and reports as good as the real ones.
let
  inherit (builtins)
    all attrNames concatLists concatStringsSep filter head isString length listToAttrs map mapAttrs removeAttrs
    stringLength substring;

  modules = import ./modules.nix { inherit lib; };
  types = import ./types.nix { inherit lib; };

  lib = {
    inherit types concatLists isString mapAttrs;
    inherit (modules) evalModules mkIf;

    mkOption = attributes: attributes // { _type = "option"; };
    mkEnableOption = what: lib.mkOption { type = types.bool; default = false; description = what; };
    mkOptionType = attributes: { description = attributes.name; } // attributes // { _type = "option-type"; };
    mergeEqualOption = loc: defs:
      if all (def: def.value == (head defs).value) defs then (head defs).value
      else throw "The option `${lib.showOption loc}' has conflicting definition values";
    showOption = loc: concatStringsSep "."
      (map (key: if builtins.match "[a-zA-Z_*][a-zA-Z0-9_-]*" key == null then builtins.toJSON key else key) loc);
    literalExpression = text: { _type = "literalExpression"; inherit text; };

    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    filterAttrs = keep: set: removeAttrs set (filter (key: !(keep key set.${key})) (attrNames set));
    mapAttrs' = f: set: listToAttrs (lib.mapAttrsToList f set);
    mapAttrsToList = f: set: map (key: f key set.${key}) (attrNames set);
    nameValuePair = name: value: { inherit name value; };
    last = list: builtins.elemAt list (length list - 1);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix = prefix: text: if lib.hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    splitString = separator: text: filter isString (builtins.split separator text);
  };
in
lib
