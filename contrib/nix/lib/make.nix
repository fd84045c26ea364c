# A derivation made by lines of a shell, with its tools and nothing else. What is in `files` is handed over as a file
# (NAMEPath), as a variable can hold no more than 128 KiB.
{ system, shell, tools }:
name: { files ? { }, ... }@attributes: script:
derivation (files // removeAttrs attributes [ "files" ] // {
  inherit name system;
  builder = shell;
  args = [ "-euc" script ];
  PATH = tools;
  passAsFile = builtins.attrNames files;
  preferLocalBuild = true;
})
