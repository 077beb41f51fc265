//! How much memory this process may take: what its container has, as the control groups say, or the machine.

use std::fs;
use std::path::{Component, Path};

/// Where control groups lie; of version 1, those for memory have a folder of their own there.
const GROUPS: &str = "sys/fs/cgroup";

/// Bytes that this process may take: the least of the limits of the groups that it is in, and of what the machine has.
pub(crate) fn limit() -> Option<usize> {
    limit_in(Path::new("/"))
}

fn limit_in(root: &Path) -> Option<usize> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let own = read(&root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = root.join(GROUPS);
    let limits = own.lines().filter_map(|line| {
        // `0::/group` of version 2, `4:memory:/group` of version 1.
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let (folder, file) = match controllers {
            "" => (groups.clone(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (groups.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A group is bound by those that it is in, and a container may see its own as the root.
        let mut group = Path::new(group.trim_start_matches('/'));
        // Above what this process sees there is nothing to read.
        if group.components().any(|part| part == Component::ParentDir) {
            group = Path::new("");
        }
        let limits = group.ancestors().filter_map(|group| {
            let limit = read(&folder.join(group).join(file))?;
            // `max` is none.
            limit.trim().parse::<usize>().ok()
        });
        limits.min()
    });
    let machine = read(&root.join("proc/meminfo")).and_then(|info| {
        let total = info
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: usize = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    limits.chain(machine).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit where these files are.
    fn limit_with(files: &[(&str, &str)]) -> Option<usize> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        limit_in(root.path())
    }

    const MACHINE: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree:          100 kB\n",
    );
    const OF_MACHINE: Option<usize> = Some(16_000_000 << 10);

    #[test]
    fn a_container_has_the_limit_of_its_group() {
        let two = ("proc/self/cgroup", "0::/\n");
        let max = |limit| ("sys/fs/cgroup/memory.max", limit);
        assert_eq!(
            limit_with(&[MACHINE, two, max("2147483648\n")]),
            Some(2 << 30)
        );
        assert_eq!(limit_with(&[MACHINE, two, max("max\n")]), OF_MACHINE);

        let one = (
            "proc/self/cgroup",
            "5:cpu,cpuacct:/ecs/task\n4:memory:/ecs/task\n",
        );
        let whole = |limit| ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
        // As a container sees it that has its own group as the root.
        assert_eq!(
            limit_with(&[MACHINE, one, whole("1073741824\n")]),
            Some(1 << 30)
        );
        // What version 1 says where there is none.
        assert_eq!(
            limit_with(&[MACHINE, one, whole("9223372036854771712\n")]),
            OF_MACHINE
        );
    }

    #[test]
    fn the_least_limit_of_the_groups_around_holds() {
        let own = ("proc/self/cgroup", "0::/batch.slice/job\n");
        let outer = ("sys/fs/cgroup/batch.slice/memory.max", "1073741824\n");
        let inner = ("sys/fs/cgroup/batch.slice/job/memory.max", "4294967296\n");
        assert_eq!(limit_with(&[MACHINE, own, outer, inner]), Some(1 << 30));
        assert_eq!(limit_with(&[MACHINE, own, inner]), Some(4 << 30));
        assert_eq!(limit_with(&[MACHINE, own]), OF_MACHINE);
        // A group outside of what the process sees.
        let outside = ("proc/self/cgroup", "0::/../other\n");
        assert_eq!(limit_with(&[MACHINE, outside]), OF_MACHINE);
    }

    #[test]
    fn where_nothing_is_said_there_is_no_limit() {
        assert_eq!(limit_with(&[]), None);
    }
}
