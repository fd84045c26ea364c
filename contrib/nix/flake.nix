{
  description = "orchestrator: runs single applications as OCI containers from a directory of definitions";

  # That of the registry, unless whoever uses this says otherwise (follows).
  inputs.nixpkgs.url = "nixpkgs";

  outputs = { self, nixpkgs }:
    let
      onEach = f: nixpkgs.lib.genAttrs [ "aarch64-linux" "x86_64-linux" ]
        (system: f (import ./. { pkgs = nixpkgs.legacyPackages.${system}; }) system);
    in
    {
      packages = onEach (here: _: { default = here.package; });
      overlays.default = import ./overlay.nix;
      nixosModules.default = ./module.nix;
      lib = onEach (here: _: here.lib);

      checks = onEach (here: system: {
        inherit (here) package;

        bundle = here.lib.buildContainer { args = [ "${nixpkgs.legacyPackages.${system}.hello}/bin/hello" ]; };

        module =
          let
            host = nixpkgs.lib.nixosSystem {
              inherit system;
              modules = [
                self.nixosModules.default
                {
                  services.orchestrator.enable = true;
                  services.orchestrator.containers.hello.cmd = "echo hello";
                }
              ];
            };
          in
          host.config.environment.etc."orchestrator/hello.json".source;
      });
    };
}
