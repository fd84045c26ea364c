# The config.json of a container, from a definition: what the program makes of the same definition. What depends on the
# host is a mistake, since it would be left out.
#
# It is a text in two parts: the mounts of the closure belong between them, each with a comma before it.
{ name, definition, fileMounts }:
let
  inherit (builtins) attrNames concatStringsSep filter fromJSON map readFile removeAttrs stringLength substring toJSON;

  defaults = fromJSON (readFile ../../defaults.json);
  fail = key: message: throw "buildContainer: ${key}: ${message}";
  process = import ./process.nix { inherit name definition defaults fail; };
  mounts = import ./mounts.nix { inherit definition defaults fail fileMounts; };

  network = let asked = definition.network or "none"; in asked.type or asked;
  namespaces =
    if network == "none" then defaults.config.linux.namespaces
    else if network == "host" then filter (each: each.type != "network") defaults.config.linux.namespaces
    else fail "network" ''write "none" or "host": others are the agent's'';

  compact = set: removeAttrs set (filter (key: set.${key} == null || set.${key} == { }) (attrNames set));

  config = compact (removeAttrs defaults.config [ "mounts" "process" ] // {
    annotations = definition.annotations or null;
    hostname = definition.hostname or name;
    root = { path = "rootfs"; readonly = definition.readonly or true; };
    linux = compact (defaults.config.linux // {
      inherit namespaces;
      inherit (mounts) rootfsPropagation;
      maskedPaths = definition.masked_paths or defaults.config.linux.maskedPaths;
      readonlyPaths = definition.readonly_paths or defaults.config.linux.readonlyPaths;
    });
  });

  unclosed = text: substring 0 (stringLength text - 1) text;
  list = tables: concatStringsSep "," (map toJSON tables);
in
{
  before = ''${unclosed (toJSON config)},"process":${process.text},"mounts":[${list mounts.system}'';
  after = (if mounts.own == [ ] then "" else ",${list mounts.own}") + "]}\n";

  # Who runs, and where the system's file systems are mounted.
  inherit (process) user;
  systemMounts = map (mount: mount.destination) mounts.system;
}
