# Where a NAME.nix has each of some keys from: place.nix for many at once, in their order.
#
#   nix-instantiate --eval --strict --json places.nix --argstr name web --argstr file /etc/orchestrator/web.nix \
#     --argstr keys '[["restart", "delay"], ["args", 0]]'
{ file, name, keys, system ? builtins.currentSystem }:
builtins.map
  (key: import ./place.nix { inherit file name system; keys = builtins.toJSON key; })
  (builtins.fromJSON keys)
