# All five sets of capabilities, as the program writes them: what an absent one means differs between runtimes.
{ definition, defaults, fail, uid }:
let
  inherit (builtins) attrNames elem filter listToAttrs map match;

  asked = definition.capabilities or { };
  toName = name: if match "ALL|CAP_.*" name == null then "CAP_${name}" else name;
  add = map toName (asked.add or [ ]);
  drop = map toName (asked.drop or [ ]);

  # A name is stronger than "ALL".
  given = if uid != 0 || elem "ALL" drop then [ ] else defaults.config.process.capabilities.bounding;
  held = filter (name: !(elem name drop)) (sortNames (given ++ add));
  sortNames = names: attrNames (listToAttrs (map (name: { inherit name; value = null; }) names));

  # Uid 0 has them back from the bounding set at each execve(2), another user from the ambient one; capabilities(7).
  kept = if uid == 0 then [ ] else held;
in
if elem "ALL" add then fail "capabilities.add" ''"ALL" depends on the host: write their names''
else { bounding = held; permitted = held; effective = held; inheritable = kept; ambient = kept; }
