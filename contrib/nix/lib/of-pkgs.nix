# The library with the tools of nixpkgs.
pkgs:
import ./. {
  system = pkgs.stdenv.hostPlatform.system;
  shell = pkgs.runtimeShell;
  tools = "${pkgs.coreutils}/bin";
}
