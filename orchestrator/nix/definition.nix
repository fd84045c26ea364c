# From what a NAME.nix says to what a NAME.json would say: a function from a set to another, in the Nix language alone.
#
# It takes the arguments of nixpkgs' ociTools.buildContainer and the options of its former services.railcar, beside
# every field of a definition. What it does not know it hands on: the agent checks each field as it checks those of TOML.
#
#   - Derivations and paths become the store paths that they stand for. The strings keep their context, so that whatever
#     holds the definition depends on them.
#   - What is null is left out: in Nix that is how an option is not set.
#   - Mounts of type "none" are of type "bind", and `runType` is `type`.
let
  inherit (builtins)
    attrNames concatStringsSep elemAt filter genList isAttrs isFunction isInt isList isPath isString length listToAttrs
    map match removeAttrs substring toJSON typeOf unsafeGetAttrPos;

  # Where a value stands: the keys to it, and the place of the last one that has one.
  top = { keys = [ ]; place = null; };
  at = here: set: key:
    let place = unsafeGetAttrPos key set; in
    { keys = here.keys ++ [ key ]; place = if place == null then here.place else place; };
  atEntry = here: index: here // { keys = here.keys ++ [ index ]; };

  # A mistake, in the form in which Nix tells its own.
  fail = here: message: throw (showKeys here.keys + message + import ./at.nix here.place);

  # mounts."/data".options[0]
  showKeys = keys:
    if keys == [ ] then "" else substring 1 (-1) (concatStringsSep "" (map showPart keys)) + ": ";
  showPart = key:
    if isInt key then "[${toString key}]"
    else if match "[a-zA-Z0-9_-]+" key == null then ".${toJSON key}"
    else ".${key}";

  describe = value: if isDerivation value then "a derivation" else kinds.${typeOf value} or "a ${typeOf value}";
  kinds = { bool = "a boolean"; int = "an integer"; lambda = "a function"; null = "null"; };

  # A definition has a `type` too, but another one.
  isDerivation = value: isAttrs value && value.type or null == "derivation";

  # What stands for a string; interpolation copies a path to the store, where builtins.toString does not.
  isText = value: isPath value || isAttrs value && (value ? outPath || value ? __toString);

  toPlain = here: value:
    if isText value then "${value}"
    else if isAttrs value then toSet toPlain here value
    else if isList value then genList (index: toPlainEntry (atEntry here index) (elemAt value index)) (length value)
    else if isFunction value then fail here "it is a function: call it, or put it in parentheses with its argument"
    else value;

  toPlainEntry = here: value:
    if value == null then fail here "it is null, which a list cannot hold" else toPlain here value;

  # A set without what is null in it, each of the others converted.
  toSet = convert: here: set: listToAttrs (map
    (key: { name = key; value = convert (at here set key) set.${key}; })
    (filter (key: set.${key} != null) (attrNames set)));

  toMounts = here: mounts:
    if isAttrs mounts && !(isText mounts) then toSet toMount here mounts
    else fail here ''it is ${describe mounts}: write { "/data" = { source = "/srv/data"; }; }'';

  toMount = here: mount:
    let plain = toPlain here mount; in
    if !(isAttrs plain) then fail here ''it is ${describe mount}: write { source = "/srv/data"; }''
    else if plain.type or null == "none" then plain // { type = "bind"; }
    else plain;

  toType = here: set:
    if set.type or null != null then fail here "it is another name of type, which is there too: write one of them"
    else if set.runType == "service" || set.runType == "oneshot" then set.runType
    else if isString set.runType then fail here ''write "service" or "oneshot", not ${toJSON set.runType}''
    else fail here ''write "service" or "oneshot"'';

in
container:
let
  has = key: container.${key} or null != null;
in
if isDerivation container then
  fail top "it is a derivation, not a set of fields: write { args = [ … ]; }, or { bundle = …; } for that of a bundle"
else if !(isAttrs container) || isText container then
  fail top "it is ${describe container}, not a set of fields: write { args = [ … ]; }"
else
  toSet toPlain top (removeAttrs container [ "mounts" "runType" ])
  // (if has "mounts" then { mounts = toMounts (at top container "mounts") container.mounts; } else { })
  // (if has "runType" then { type = toType (at top container "runType") container; } else { })
