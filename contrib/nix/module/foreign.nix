# The options that virtualisation.oci-containers and the former services.railcar have for a container and a definition
# has not: what they are called there, and of those that nothing can be made of, what to do instead.
{ lib }:
let
  inherit (lib) mapAttrs mkOption types;

  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };

  known = {
    runType = maybe (types.enum [ "oneshot" "service" ]) "As services.railcar had it: `type`.";
    entrypoint = maybe types.str "The command, before a list `cmd`: `args`.";
    environment = maybe (types.attrsOf types.str) "`env`.";
    environmentFiles = maybe (types.listOf types.path) "`env_files`.";
    volumes = maybe (types.listOf types.str) "`mounts`, as `SOURCE:DESTINATION` or `SOURCE:DESTINATION:OPTIONS`.";
    workdir = maybe types.str "`cwd`.";
    dependsOn = maybe (types.listOf types.str) "`requires`.";
    log-driver = maybe types.str "`log`: `journald` is `journal`; `json-file`, `k8s-file` and `local` are `file`.";
    networks = maybe (types.listOf types.str) "`network`, if it is one of `host` and `none`.";
    autoStart = maybe types.bool "No more than `true`: all containers are started.";
    privileged = maybe types.bool "No more than `false`: no container is.";
  };

  impossible = {
    image = "there are no images: name the program by its store path in args";
    imageFile = "there are no images: name the program by its store path in args";
    imageStream = "there are no images: name the program by its store path in args";
    login = "there is no registry to log in to";
    pull = "there is no registry to pull from";
    podman = "there is no podman: mounts, log and user say the same";
    ports = ''no port is published: with network = "host" the program listens on the host's own'';
    labels = "there are no labels: write annotations";
    extraOptions = "there is no command line of a container engine: look for the field that says the same";
    preRunExtraOptions = "there is no command line of a container engine: look for the field that says the same";
    serviceName = "a container is no unit: orchestrator status and orchestrator logs know it by its name";
  };

  refused = _: why: mkOption {
    type = types.raw;
    default = null;
    visible = false;
    description = why;
  };
in
{
  inherit impossible;
  options = known // mapAttrs refused impossible;
}
