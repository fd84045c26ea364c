# The NixOS module: services.orchestrator runs the agent, and its `containers` are written as one file each to the
# directory that the agent watches. A switch to another configuration changes the links of what has changed, so the agent
# does something about these containers and no others; a switch to another agent restarts it beside its containers.
#
# schema: what `orchestrator schema` prints, as a table; with plugins it is theirs too.
{ schema }:
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkEnableOption mkIf mkOption types;

  cfg = config.services.orchestrator;
  unit = import ./unit.nix (builtins.readFile ../../orchestrator.service);
  translate = import ./translate.nix { inherit lib; shell = pkgs.runtimeShell; };
  containers = lib.mapAttrs translate cfg.containers;

  folder = lib.removePrefix "/etc/" cfg.configDir;
  toFile = name: container: lib.nameValuePair "${folder}/${name}.json" { text = builtins.toJSON container.definition; };
  toAssertion = name: message: {
    assertion = false;
    message = "services.orchestrator.containers.${name}: ${message}";
  };

  runtime = if lib.isString cfg.runtime then cfg.runtime else lib.getExe cfg.runtime;
in
{
  options.services.orchestrator = {
    enable = mkEnableOption "the agent that runs OCI containers from a directory of definitions";

    package = mkOption {
      type = types.package;
      default = pkgs.orchestrator or (pkgs.callPackage ../package.nix { });
      defaultText = lib.literalExpression "pkgs.orchestrator";
      description = "The agent.";
    };

    runtime = mkOption {
      type = types.either types.package types.str;
      default = pkgs.crun;
      defaultText = lib.literalExpression "pkgs.crun";
      example = lib.literalExpression "pkgs.runc";
      description = "The OCI runtime: its package, its path, or a name that the agent looks up in PATH.";
    };

    configDir = mkOption {
      type = types.path;
      default = "/etc/orchestrator";
      description = ''
        The directory that the agent watches. Below /etc it may have files of your own beside those of `containers`;
        elsewhere there can be no `containers`.
      '';
    };

    containers = mkOption {
      type = types.attrsOf (types.submodule (import ./container.nix { inherit lib schema; }));
      default = { };
      example = lib.literalExpression ''
        {
          web = {
            args = [ "''${pkgs.darkhttpd}/bin/darkhttpd" "/srv" ];
            mounts."/srv".source = "/var/www";
            network = "host";
          };
        }
      '';
      description = "Containers by name, each a definition.";
    };
  };

  config = mkIf cfg.enable {
    assertions = lib.concatLists
      (lib.mapAttrsToList (name: container: map (toAssertion name) container.mistakes) containers)
    ++ [
      {
        assertion = cfg.containers == { } || lib.hasPrefix "/etc/" cfg.configDir;
        message =
          "services.orchestrator.configDir: containers are written to a folder below /etc, not to ${cfg.configDir}";
      }
    ];

    environment.etc = lib.mapAttrs' toFile containers;
    environment.systemPackages = [ cfg.package ];

    systemd.services.orchestrator = {
      description = unit.Unit.Description;
      wantedBy = [ unit.Install.WantedBy ];
      wants = lib.splitString " " unit.Unit.Wants;
      after = lib.splitString " " unit.Unit.After;
      unitConfig = removeAttrs unit.Unit [ "Description" "Wants" "After" ] // {
        RequiresMountsFor = "${cfg.configDir} /var/lib/orchestrator /run/orchestrator";
      };
      # What the agent runs: journalctl, nix (for closures and for definitions in Nix).
      path = [ pkgs.systemd config.nix.package ];
      serviceConfig = unit.Service // {
        # The later of the two, which systemd has known as long as NixOS 23.11.
        Type = lib.last unit.Service.Type;
        ExecStart =
          "${cfg.package}/bin/orchestrator run --config ${cfg.configDir} --state /var/lib/orchestrator"
          + " --run /run/orchestrator --runtime ${runtime}";
      };
      # In one step, so that systemd keeps the descriptors that it has of the containers; they go on meanwhile.
      stopIfChanged = false;
    };
  };
}
