# Where a NAME.nix says something: the file, line and column of a key, or of the innermost table on the way to it that
# has a place. Null where Nix does not know, as in a set that was computed.
#
#   nix-instantiate --eval --strict --json place.nix --argstr name web --argstr file /etc/orchestrator/web.nix \
#     --argstr keys '["restart", "delay"]'
{ file, name, keys, system ? builtins.currentSystem }:
let
  inherit (builtins) elemAt fromJSON head isAttrs isInt isList length tail unsafeGetAttrPos;

  # runType is another name of type.
  findName = set: key: if key == "type" && !(set ? type) && set ? runType then "runType" else key;

  find = known: value: path:
    if path == [ ] then known
    else
      let key = findName value (head path); in
      if isInt (head path) then
        if isList value && head path < length value then find known (elemAt value (head path)) (tail path) else known
      else if isAttrs value && value ? ${key} then
        let place = unsafeGetAttrPos key value; in
        find (if place == null then known else place) value.${key} (tail path)
      else known;
in
find null (import ./load.nix { inherit file name system; }) (fromJSON keys)
