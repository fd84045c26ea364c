# From the options of one container to its definition, and what is wrong with them as a list of texts.
#
# shell: what runs `cmd` where the container does not say.
{ lib, shell }:
name: container:
let
  inherit (builtins)
    attrNames concatStringsSep elem elemAt filter head isList isString length listToAttrs map match removeAttrs;
  inherit (lib) filterAttrs optional optionalAttrs optionals;

  foreign = import ./foreign.nix { inherit lib; };
  toDefinition = import ../../../orchestrator/nix/definition.nix;

  given = filterAttrs (_: value: value != null) container;
  has = key: given ? ${key};
  rename = new: old: optionalAttrs (has old) { ${new} = given.${old}; };
  split = separator: text: filter isString (builtins.split separator text);

  # Of this host's store, so that the shell here is one there.
  rootfs = given.rootfs or "closure";
  isClosure = rootfs.type or rootfs == "closure" && rootfs.store or null == null;
  isScript = has "cmd" && isString given.cmd;
  words = optional (has "entrypoint") given.entrypoint ++ optionals (has "cmd" && isList given.cmd) given.cmd;
  command =
    if words != [ ] then { args = words; }
    else if isScript then { inherit (given) cmd; } // optionalAttrs (isClosure && !(has "shell")) { inherit shell; }
    else { };

  isVolume = text: match "/[^:]*:/[^:]*(:[^:]*)?" text != null;
  toMount = text:
    let parts = split ":" text; in
    {
      name = elemAt parts 1;
      value = { source = head parts; } // optionalAttrs (length parts == 3) { options = split "," (elemAt parts 2); };
    };
  volumes = listToAttrs (map toMount (filter isVolume (given.volumes or [ ])));

  toDevice = device:
    let parts = split ":" device; in
    # The name of a CDI device is no path, and may have a colon.
    if !(isString device) || length parts == 1 || !(lib.hasPrefix "/" device) then device
    else { path = head parts; destination = elemAt parts 1; }
      // optionalAttrs (length parts == 3) { access = elemAt parts 2; };

  # Those of a list, and those named one by one.
  toRights = key: named:
    let
      list = given.capabilities.${key} or null;
      names = attrNames (filterAttrs (_: value: value == named) given.capabilities);
    in
    optionalAttrs (list != null || names != [ ]) { ${key} = (if list == null then [ ] else list) ++ names; };

  logs = {
    journald = "journal";
    json-file = "file";
    k8s-file = "file";
    local = "file";
    none = "none";
  };

  plain = removeAttrs given (attrNames foreign.options ++ [ "cmd" ]);

  wanted = filter has [ "args" "bundle" ]
    ++ optional isScript "cmd"
    ++ optional (words != [ ]) "entrypoint or a list cmd";
  twice = new: old: optional (has new && has old) "${new} and ${old} are the same: write one of them";
in
{
  definition = toDefinition (plain
    // command
    // rename "env" "environment"
    // rename "env_files" "environmentFiles"
    // rename "cwd" "workdir"
    // rename "requires" "dependsOn"
    // rename "type" "runType"
    // optionalAttrs (has "log-driver") { log = logs.${given.log-driver} or given.log-driver; }
    // optionalAttrs (has "networks") { network = head given.networks; }
    // optionalAttrs (volumes != { }) { mounts = given.mounts or { } // volumes; }
    // optionalAttrs (has "devices") { devices = map toDevice given.devices; }
    // optionalAttrs (has "capabilities") { capabilities = toRights "add" true // toRights "drop" false; });

  mistakes =
    optional (match "[a-z0-9][a-z0-9._-]{0,62}" name == null)
      "its name is made of a-z, 0-9, '.', '_' and '-', 63 at most"
    ++ optional (wanted == [ ]) "write one of args, cmd and bundle"
    ++ optional (length wanted > 1) "write one of ${concatStringsSep ", " wanted}"
    ++ map (key: "${key}: ${foreign.impossible.${key}}")
      (filter (key: has key && !(elem given.${key} [ [ ] { } ])) (attrNames foreign.impossible))
    ++ map (text: "volumes: write SOURCE:DESTINATION with two absolute paths, not ${text}")
      (filter (text: !(isVolume text)) (given.volumes or [ ]))
    ++ optional (has "log-driver" && !(logs ? ${given.log-driver}))
      "log-driver: write journald, local or none, not ${given.log-driver}"
    ++ optional (has "networks" && !(elem given.networks [ [ "host" ] [ "none" ] ]))
      "networks: write one of host and none"
    ++ optional (!(given.autoStart or true))
      "autoStart: all containers are started; orchestrator stop keeps one stopped"
    ++ optional (given.privileged or false) "privileged: no container is; write capabilities, devices and mounts"
    ++ twice "env" "environment"
    ++ twice "env_files" "environmentFiles"
    ++ twice "cwd" "workdir"
    ++ twice "requires" "dependsOn"
    ++ twice "log" "log-driver"
    ++ twice "network" "networks"
    ++ twice "type" "runType"
    ++ optionals (has "volumes" && has "mounts")
      (map (path: "volumes and mounts both say ${path}") (filter (path: given.mounts ? ${path}) (attrNames volumes)));
}
