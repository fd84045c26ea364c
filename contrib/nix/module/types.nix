# The types of options from a JSON Schema, as far as `orchestrator schema` goes: $ref, const, enum, oneOf, objects with
# known keys or with any, arrays, and texts and numbers with their bounds. Each key is an option that may be null.
{ lib, schema }:
let
  inherit (lib) mkOption mkOptionType types;
  inherit (builtins)
    all attrNames concatMap concatStringsSep elem filter foldl' hasAttr head isAttrs isPath isString length map mapAttrs
    match stringLength tail;

  find = node: if node ? "$ref" then schema."$defs".${head (match "#/[$]defs/(.*)" node."$ref")} else node;

  toType = node:
    let it = find node; in
    if it ? const then types.enum [ it.const ]
    else if it ? enum then types.enum it.enum
    else if it ? oneOf then toUnion (map find it.oneOf)
    else toTypeOf.${it.type} it;

  toTypeOf = {
    boolean = _: types.bool;
    integer = toNumber types.int;
    number = toNumber types.number;
    string = toText;
    array = toList;
    object = node: if node ? properties then toTable [ node ] else toMap node;
  };

  toOption = node: mkOption {
    type = types.nullOr (toType node);
    default = null;
    description = node.description or (find node).description or "";
  } // (if node ? examples then { example = head node.examples; } else { });

  # `type`, of which a value has to pass all tests; what it is then called.
  restrict = type: tests: description:
    if tests == [ ] then type
    else types.addCheck type (value: all (test: test value) tests) // {
      inherit description;
      descriptionClass = "noun";
      # What a type with submodules is made anew by; it would be without tests.
      substSubModules = modules: restrict (type.substSubModules modules) tests description;
    };
  when = condition: value: if condition then [ value ] else [ ];

  toNumber = type: node: restrict type
    (when (node ? minimum) (value: value >= node.minimum) ++ when (node ? maximum) (value: value <= node.maximum))
    (concatStringsSep ", " ([ type.description ]
      ++ when (node ? minimum) "${toString node.minimum} or more"
      ++ when (node ? maximum) "${toString node.maximum} or less"));

  # Also what stands for a string in Nix: a derivation, or a path, which is copied to the store.
  text = mkOptionType {
    name = "text";
    description = "string, path or package";
    check = value: isString value || isPath value || isAttrs value && (value ? outPath || value ? __toString);
    merge = loc: defs: lib.mergeEqualOption loc (map (def: def // { value = "${def.value}"; }) defs);
  };
  toText = node: restrict text (map (test: value: test "${value}") (findTests node)) (node.title or text.description);
  findTests = node:
    when (node.pattern or "" != "") (import ./pattern.nix (node.pattern or ""))
    ++ when (node ? not) (value: !(import ./pattern.nix node.not.pattern value))
    ++ when (node ? maxLength) (value: stringLength value <= node.maxLength);

  toList = node:
    let type = types.listOf (toType node.items); in
    restrict type (when (node ? minItems) (value: length value >= node.minItems)) "${type.description}, not empty";

  toMap = node:
    let
      names = find (node.propertyNames or { });
      isName = key: if names ? enum then elem key names.enum else all (test: test key) (findTests names);
      type = types.attrsOf (toType node.additionalProperties);
    in
    restrict type (when (node ? propertyNames) (value: all isName (attrNames value)))
      "${type.description}, by ${names.title or "name"}";

  # One of several: words, texts and numbers go by what they are, tables by their `type`.
  toUnion = nodes:
    let
      tables = filter (node: node ? properties) nodes;
      parts = map toType (filter (node: !(node ? properties)) nodes) ++ when (tables != [ ]) (toTable tables);
    in
    foldl' types.either (head parts) (tail parts);

  # A table of one of several kinds. What any of them has is an option of one submodule, so that its definitions may be
  # spread over modules; that all is of one kind is looked at when they are merged.
  toTable = nodes:
    let
      kinds = concatMap findKinds nodes;
      properties = foldl' (found: node: found // node.properties) { } nodes
        // (if kinds == [ ] then { } else { type = { enum = kinds; description = "The kind."; }; });
      submodule = types.submodule { options = mapAttrs (_: toOption) properties; };
    in
    checked nodes submodule;

  checked = nodes: submodule: submodule // {
    merge = loc: defs: checkKind nodes loc (submodule.merge loc defs);
    substSubModules = modules: checked nodes (submodule.substSubModules modules);
  };

  findKinds = node:
    let type = node.properties.type or { }; in
    if type ? const then [ type.const ] else type.enum or [ ];

  checkKind = nodes: loc: value:
    let
      given = filter (key: value.${key} != null) (attrNames value);
      type = value.type or null;
      # The kind that a table without a type is does not require one.
      fits = node: if type == null then !(elem "type" (node.required or [ ])) else elem type (findKinds node);
      fitting = if length nodes == 1 then nodes else filter fits nodes;
      node = head fitting;
      missing = filter (key: !(elem key given)) (node.required or [ ]);
      strange = filter (key: !(hasAttr key node.properties)) given;
      fail = message: throw "The option `${lib.showOption loc}' ${message}";
    in
    if fitting == [ ] then fail "has no type: one of ${concatStringsSep ", " (concatMap findKinds nodes)}"
    else if missing != [ ] then fail "lacks ${concatStringsSep ", " missing}"
    else if strange != [ ] then fail "has ${concatStringsSep ", " strange}, which type ${value.type} has not"
    else value;
in
{ inherit toType toOption; }
