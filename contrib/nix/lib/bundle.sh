# Writes a bundle to $out: config.json, and rootfs with what is mounted on and a few files of /etc. Sourced by a POSIX
# shell with -eu in the build of a derivation: `build-container.nix` says what stands in the environment.
# shellcheck shell=sh disable=SC2154
root=$out/rootfs

make_parent() {
    [ -d "$root${1%/*}" ] || mkdir -p "$root${1%/*}"
}

# make_point LIKE PATH: something to mount LIKE on, a file or a folder, unless there is something.
make_point() {
    [ ! -e "$root$2" ] || return 0
    make_parent "$2"
    if [ -f "$1" ]; then : > "$root$2"; else mkdir "$root$2"; fi
}

# No program is started for a file, since there may be thousands.
add_store_path() {
    if [ -n "$copy" ]; then
        make_parent "$1"
        cp -RPp "$1" "$root$1"
    elif [ -L "$1" ]; then
        # A mount would be of what it leads to.
        make_parent "$1"
        ln -s "$(readlink "$1")" "$root$1"
    else
        make_point "$1" "$1"
        # Nothing in the name of a store path has to be quoted.
        printf ',{"destination":"%s","options":%s,"source":"%s","type":"bind"}' "$1" "$bindOptions" "$1"
    fi
}

# The file has of each path: itself, what made it, the number of those it refers to, and these. Read line by line, since
# there are more of them than a command line holds.
add_closure() {
    while read -r path && read -r _ && read -r count; do
        while [ "$count" -gt 0 ]; do
            read -r _
            count=$((count - 1))
        done
        [ "$path" = "$references" ] || add_store_path "$path"
    done < closure
}

# Of each mount: what its source is like, and where it is.
make_points() {
    while read -r like && read -r destination; do
        make_point "$like" "$destination"
    done < "$pointsPath"
}

# /bin: of one package a link to its own, of several a folder of links, the first that has a name gives it.
link_programs() {
    having=
    for package in $packages; do
        if [ -d "$package/bin" ]; then having="$having $package"; fi
    done
    case $having in
        '') return ;;
        ' '*' '*) mkdir -p "$root/bin" ;;
    esac
    if [ ! -e "$root/bin" ]; then
        ln -s "${having# }/bin" "$root/bin"
        return
    fi
    for package in $having; do
        for program in "$package/bin"/*; do
            link=$root/bin/${program##*/}
            if [ ! -e "$link" ] && [ ! -L "$link" ]; then ln -s "$program" "$link"; fi
        done
    done
}

mkdir -p "$root/etc"
cp "$passwdPath" "$root/etc/passwd"
cp "$groupPath" "$root/etc/group"
cp "$nsswitchPath" "$root/etc/nsswitch.conf"
{
    cat "$beforePath"
    add_closure
    cat "$afterPath"
} > "$out/config.json"
make_points
link_programs
