# How Nix tells the place of a mistake, for those that it does not see itself; nothing where there is no place.
place:
if place == null then "" else "\n\nat ${place.file}:${toString place.line}:${toString place.column}:"
