//! Groups of processes of somebody's own, one in each hierarchy of the machine's.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result, bail, ensure};

/// Waits until this process lets go, and removes the groups as soon as nobody is in them.
const KEEP: &str = "read -r _; for _ in $(seq 100); do left=; for group; do \
    find \"$group\" -depth -type d -exec rmdir {} + ; [ -d \"$group\" ] && left=1; done; \
    [ -n \"$left\" ] || exit 0; sleep 0.1; done";

/// How a process in namespaces of its own enters them.
const ENTER: &str = include_str!("enter.sh");

/// A hierarchy of control groups, as it is mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Hierarchy {
    place: PathBuf,
    kind: Kind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    /// Version 1, with its controllers or its name as mount options.
    Controllers(String),
    Unified,
}

/// The hierarchies in the text of `/proc/self/mounts`.
fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (place, kind, options) = (words.nth(1)?, words.next()?, words.next()?);
        let kind = match kind {
            "cgroup" => Kind::Controllers(controllers(options)),
            "cgroup2" => Kind::Unified,
            _ => return None,
        };
        let place = PathBuf::from(place);
        Some(Hierarchy { place, kind })
    });
    mounts.collect()
}

/// The mount options that say which hierarchy it is, without those that any file system has.
fn controllers(options: &str) -> String {
    let general = [
        "rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "seclabel",
    ];
    let own = options.split(',').filter(|word| {
        !general.contains(word) && !word.starts_with("release_agent=") && *word != "xattr"
    });
    let own = own.collect::<Vec<&str>>().join(",");
    if own.starts_with("name=") {
        // Without a controller.
        format!("none,{own}")
    } else {
        own
    }
}

/// What who is in the groups mounts, one a line: type, options, place.
fn mounts(hierarchies: &[Hierarchy]) -> String {
    let top = Path::new("/sys/fs/cgroup");
    // Where the others lie, unless there is only one.
    let is_one = hierarchies.iter().any(|one| one.place == top);
    let first = (!is_one).then(|| format!("tmpfs mode=755 {}\n", top.display()));
    let line = |Hierarchy { place, kind }: &Hierarchy| {
        let (kind, options) = match kind {
            Kind::Controllers(names) => ("cgroup", names.as_str()),
            Kind::Unified => ("cgroup2", "rw"),
        };
        format!("{kind} {options} {}\n", place.display())
    };
    first
        .into_iter()
        .chain(hierarchies.iter().map(line))
        .collect()
}

/// Groups that are there while this value is, and are removed when this process ends, however it does.
pub struct Groups {
    hierarchies: Vec<Hierarchy>,
    places: Vec<PathBuf>,
    keeper: Child,
    leash: Option<ChildStdin>,
}

impl Groups {
    /// Makes them; or says what keeps us from it.
    pub fn new() -> Result<Result<Self, String>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let hierarchies = hierarchies(&fs::read_to_string("/proc/self/mounts")?);
        if hierarchies.is_empty() {
            return Ok(Err("no control groups are mounted".into()));
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mintage-{}-{number}", std::process::id());
        let places: Vec<PathBuf> = hierarchies
            .iter()
            .map(|one| one.place.join(&name))
            .collect();
        // Before there is one: it takes away what was made when the last one fails.
        let mut keeper = Command::new("sh")
            .args(["-c", KEEP, "sh"])
            .args(&places)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start sh")?;
        let leash = keeper.stdin.take();
        let made = Self {
            hierarchies,
            places,
            keeper,
            leash,
        };
        for (group, hierarchy) in made.places.iter().zip(&made.hierarchies) {
            if let Err(error) = prepare(group, hierarchy) {
                return Ok(Err(format!("cannot make {}: {error:#}", group.display())));
            }
        }
        Ok(Ok(made))
    }

    /// Removes them. Whoever was in them has to have been ended before.
    pub fn remove(&mut self) -> Result<()> {
        self.leash.take();
        self.keeper.wait()?;
        let left = self.places.iter().find(|group| group.exists());
        match left {
            None => Ok(()),
            Some(group) => bail!("{} is left", group.display()),
        }
    }

    /// Writes a script into a folder, which is to be its first argument: who runs it, first in namespaces of its own, enters
    /// the groups and does the rest then.
    pub fn script(&self, folder: &Path, rest: &str) -> Result<PathBuf> {
        let places = self.places.iter().map(|place| place.to_string_lossy());
        let places: String = places.flat_map(|place| [place, "\n".into()]).collect();
        fs::write(folder.join("groups"), places)?;
        fs::write(folder.join("mounts"), mounts(&self.hierarchies))?;
        let script = folder.join("init.sh");
        fs::write(&script, [ENTER, rest].concat())?;
        Ok(script)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // A destructor has nobody to tell. Who wants to know what is left calls `remove`, as the end of a node does.
        self.remove().ok();
    }
}

fn prepare(group: &Path, hierarchy: &Hierarchy) -> Result<()> {
    fs::create_dir(group)?;
    if hierarchy.kind == Kind::Unified {
        return has_controllers(group, hierarchy);
    }
    // A new group of `cpuset` has no processors, and nobody can join it.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        match fs::read(hierarchy.place.join(file)) {
            Ok(all) => fs::write(group.join(file), all).with_context(|| file.to_owned())?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| file.to_owned()),
        }
    }
    Ok(())
}

/// Where there is version 2 alone, a kubelet needs these of it.
fn has_controllers(group: &Path, hierarchy: &Hierarchy) -> Result<()> {
    if hierarchy.place != Path::new("/sys/fs/cgroup") {
        return Ok(());
    }
    let file = group.join("cgroup.controllers");
    let found = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    for wanted in ["cpu", "cpuset", "memory", "pids"] {
        ensure!(
            found.split_whitespace().any(|one| one == wanted),
            "the controller {wanted} is not passed on; `echo +{wanted} > /sys/fs/cgroup/cgroup.subtree_control` does it"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchies_of_version_1_are_mounted_as_they_are() {
        let found = hierarchies(
            "proc /proc proc rw 0 0\n\
             tmpfs /sys/fs/cgroup tmpfs ro,nosuid,mode=755 0 0\n\
             cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0\n\
             cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,xattr,release_agent=/x,name=systemd 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n",
        );
        assert_eq!(
            mounts(&found),
            "tmpfs mode=755 /sys/fs/cgroup\n\
             cgroup cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct\n\
             cgroup none,name=systemd /sys/fs/cgroup/systemd\n\
             cgroup2 rw /sys/fs/cgroup/unified\n"
        );
    }

    #[test]
    fn groups_go_with_their_value_and_with_what_is_below_them() -> Result<()> {
        let groups = match Groups::new()? {
            Ok(groups) => groups,
            Err(reason) => {
                let test = "groups::tests::groups_go_with_their_value_and_with_what_is_below_them";
                return mintage_tests::skip::skip(test, &reason);
            }
        };
        let made = groups.places.clone();
        for group in &made {
            fs::create_dir_all(group.join("below/deeper"))?;
        }
        drop(groups);
        assert!(!made.iter().any(|group| group.exists()));
        Ok(())
    }

    #[test]
    fn version_2_is_one_hierarchy() {
        let found =
            hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,memory_recursiveprot 0 0\n");
        assert_eq!(mounts(&found), "cgroup2 rw /sys/fs/cgroup\n");
    }
}
