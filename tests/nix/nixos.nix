# As much of NixOS around the module as it writes to, and what it has written.
{ lib, busybox, settings }:
let
  inherit (lib) mkOption types;

  any = default: mkOption { type = types.raw; inherit default; };
  nixos.options = {
    assertions = mkOption { type = types.listOf types.raw; default = [ ]; };
    environment.etc = mkOption { type = types.attrsOf types.raw; default = { }; };
    environment.systemPackages = mkOption { type = types.listOf types.raw; default = [ ]; };
    systemd.services = mkOption { type = types.attrsOf types.raw; default = { }; };
    nix.package = any "/packages/nix";
  };

  package = name: { type = "derivation"; inherit name; outPath = "/packages/${name}"; meta.mainProgram = name; };
  pkgs = {
    runtimeShell = "${busybox}/bin/sh";
    systemd = package "systemd";
    crun = package "crun";
    orchestrator = package "orchestrator";
  };

  evaluated = lib.evalModules {
    modules = [
      nixos
      ../../contrib/nix/module.nix
      { _module.args.pkgs = pkgs; services.orchestrator = settings; }
    ];
  };
  inherit (evaluated) config;
in
{
  files = lib.mapAttrs (_: file: file.text) config.environment.etc;
  failed = map (each: each.message) (builtins.filter (each: !each.assertion) config.assertions);
  services = config.systemd.services;
  packages = map (each: each.name) config.environment.systemPackages;
}
