# The options of one container: each field of a definition, and beside them those of other modules (foreign.nix). A few
# fields take what those modules write there as well.
{ lib, schema }:
let
  inherit (builtins) map mapAttrs;
  inherit (lib) types;

  typesOf = import ./types.nix { inherit lib schema; };
  fields = schema.properties;

  # nixpkgs writes binds as mounts of type "none".
  toKind = kind: if kind.properties.type.const or null != "bind" then kind else kind // {
    properties = kind.properties // { type = { enum = [ "bind" "none" ]; description = "`none` is `bind`."; }; };
  };
  mounts = fields.mounts // {
    additionalProperties = { oneOf = map toKind fields.mounts.additionalProperties.oneOf; };
  };

  or' = option: type: option // { type = types.nullOr type; };
  options = mapAttrs (_: typesOf.toOption) (fields // { inherit mounts; });
in
{
  options = options // {
    # A list is of oci-containers, a text of railcar and of definitions.
    cmd = or' options.cmd (types.either (typesOf.toType fields.cmd) (types.listOf types.str));

    # { NET_ADMIN = true; CHOWN = false; } is { add = [ "NET_ADMIN" ]; drop = [ "CHOWN" ]; }
    capabilities = or' options.capabilities (types.submodule {
      freeformType = types.attrsOf (types.nullOr types.bool);
      options = mapAttrs (_: typesOf.toOption) fields.capabilities.properties;
    });
  } // (import ./foreign.nix { inherit lib; }).options;
}
