# Modules: their options as one tree, and the value of each from all that define it.
{ lib }:
let
  inherit (builtins)
    attrNames concatMap filter foldl' isAttrs isFunction isPath isString map mapAttrs removeAttrs;

  mkIf = condition: content: { _type = "if"; inherit condition content; };
  isIf = value: isAttrs value && value._type or null == "if";
  isOption = value: value._type or null == "option";

  # A condition over a table is one over each of its entries, which can be looked at before the condition is known.
  pushDown = value: if isIf value then mapAttrs (_: mkIf value.condition) (pushDown value.content) else value;
  discharge = value: if !(isIf value) then [ value ] else if value.condition then discharge value.content else [ ];

  mergeTrees = a: b: a // mapAttrs
    (key: value: if !(a ? ${key}) then value
      else if isOption value || isOption a.${key} then throw "The option ${key} is declared twice"
      else mergeTrees a.${key} value)
    b;

  evalOption = loc: option: values:
    let
      type = if option.type ? getSubModules then option.type.substSubModules option.type.getSubModules else option.type;
      defs = map (value: { inherit value; file = "<test>"; }) (concatMap discharge values);
      bad = filter (def: !(type.check def.value)) defs;
      name = lib.showOption loc;
    in
    if defs == [ ] then option.default or (throw "The option `${name}' is used but not defined")
    else if bad != [ ] then throw "A definition for option `${name}' is not of type `${type.description}'"
    else type.merge loc defs;

  evalTree = prefix: freeformType: options: configs:
    let
      tables = map pushDown configs;
      get = key: concatMap (table: if table ? ${key} then [ table.${key} ] else [ ]) tables;
      unknown = filter (key: !(options ? ${key})) (concatMap attrNames tables);
      free = builtins.listToAttrs (map
        (key: { name = key; value = evalOption (prefix ++ [ key ]) { type = freeformType.elementType; } (get key); })
        unknown);
      eval = key: option:
        let loc = prefix ++ [ key ]; in
        if isOption option then evalOption loc option (get key) else evalTree loc null option (get key);
    in
    if unknown != [ ] && freeformType == null then
      throw "The option `${lib.showOption (prefix ++ [ (builtins.head unknown) ])}' does not exist"
    else free // mapAttrs eval options;

  evalModules = { modules, prefix ? [ ] }:
    let
      load = module:
        let
          value = if isPath module || isString module then import module else module;
          set = if isFunction value then value ({ inherit config lib; } // arguments) else value;
        in
        if set ? options || set ? config then set else { config = set; };
      loaded = map load modules;
      arguments = foldl' (found: module: found // module.config._module.args or { }) { }
        (map load (filter (module: isAttrs module) modules));
      config = evalTree prefix
        (foldl' (found: module: module.freeformType or found) null loaded)
        (foldl' mergeTrees { } (map (module: module.options or { }) loaded))
        (map (module: let it = module.config or { }; in if isIf it then it else removeAttrs it [ "_module" ]) loaded);
    in
    { inherit config; };
in
{ inherit evalModules mkIf; }
