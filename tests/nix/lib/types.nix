# Types of options: what each lets pass, and how more than one definition become one value.
{ lib }:
let
  inherit (builtins)
    all any attrNames concatMap elem filter isAttrs isBool isFloat isInt isList isPath isString listToAttrs map
    substring toJSON;
  inherit (lib) mergeEqualOption mkOptionType;

  simple = name: check: mkOptionType { inherit name check; merge = mergeEqualOption; };
  isText = value: isString value || isPath value || isAttrs value && value ? outPath;
in
rec {
  bool = simple "boolean" isBool;
  int = simple "signed integer" isInt;
  number = simple "integer or floating point number" (value: isInt value || isFloat value);
  str = simple "string" isString;
  path = simple "absolute path" (value: isText value && substring 0 1 (toString value) == "/");
  package = simple "package" (value: isAttrs value && value.type or null == "derivation");
  raw = simple "raw value" (_: true);
  enum = values: simple "one of ${toJSON values}" (value: elem value values);

  addCheck = type: check: type // { check = value: type.check value && check value; };

  # Those that hold other types are made anew with the modules of these, as nixpkgs does with each option.
  holding = type: make: if type ? getSubModules then {
    inherit (type) getSubModules;
    substSubModules = modules: make (type.substSubModules modules);
  } else { };

  nullOr = type: holding type nullOr // mkOptionType {
    name = "null or ${type.description}";
    check = value: value == null || type.check value;
    merge = loc: defs: if all (def: def.value == null) defs then null else type.merge loc defs;
  };

  either = a: b: holding b (either a) // holding a (a: either a b) // mkOptionType {
    name = "${a.description} or ${b.description}";
    check = value: a.check value || b.check value;
    merge = loc: defs: (if all (def: a.check def.value) defs then a else b).merge loc defs;
  };

  # What an entry of a list or table has to be is looked at when it is merged, as in nixpkgs.
  checked = type: loc: defs:
    if any (def: !(type.check def.value)) defs then
      throw "A definition for option `${lib.showOption loc}' is not of type `${type.description}'"
    else type.merge loc defs;

  listOf = type: holding type listOf // mkOptionType {
    name = "list of ${type.description}";
    check = isList;
    merge = loc: defs: concatMap (def: map (value: checked type loc [ (def // { inherit value; }) ]) def.value) defs;
  };

  attrsOf = type: holding type attrsOf // mkOptionType {
    name = "attribute set of ${type.description}";
    check = isAttrs;
    merge = loc: defs: listToAttrs (map
      (name: {
        inherit name;
        value = checked type (loc ++ [ name ])
          (map (def: def // { value = def.value.${name}; }) (filter (def: def.value ? ${name}) defs));
      })
      (concatMap (def: attrNames def.value) defs));
  } // { elementType = type; };

  submodule = module: mkOptionType {
    name = "submodule";
    getSubModules = [ module ];
    substSubModules = modules: submodule (builtins.head modules);
    check = isAttrs;
    merge = prefix: defs: (lib.evalModules {
      inherit prefix;
      modules = [ module ] ++ map (def: { config = def.value; }) defs;
    }).config;
  };
}
