//! The programs that are packaged: for which machine they are, and which C library they need.

use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use object::LittleEndian;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader;
use transom_plugin::Machine;

use super::BOOTSTRAP;
use crate::context;
use crate::failure::Failure;

/// A version of the GNU C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glibc(u32, u32);

impl Glibc {
    /// That of the runtime `provided.al2023`.
    pub(crate) const OF_LAMBDA: Self = Self(2, 34);
    /// That of Debian 12, on which the image stands.
    pub(crate) const OF_IMAGE: Self = Self(2, 36);
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A program for Linux.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) machine: Machine,
    /// The C library that it needs at least, if it needs one.
    glibc: Option<Glibc>,
}

impl Program {
    /// The program of a function: the named one, else the one that came with this program.
    pub(crate) fn bootstrap(named: Option<&Path>) -> Result<Self, Failure> {
        let path = named.map(Path::to_owned).or_else(context::bootstrap);
        let found = path.filter(|path| path.is_file());
        match found {
            Some(path) => Self::read(&path),
            None => Err(Failure::Usage {
                message: match named {
                    Some(path) => format!("there is no program at `{}`", path.display()),
                    None => format!("there is no `{BOOTSTRAP}`, the function's program, beside `transom`"),
                },
                hint: Some(
                    match named {
                        Some(_) => "`--bootstrap` names the function's program; without it, the one beside `transom` is taken",
                        None => "it is part of the wheel; in a checkout of Transom, `./dev bootstrap` builds it",
                    }
                    .to_owned(),
                ),
            }),
        }
    }

    /// Reads what a program needs.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(|source| Failure::Io {
            what: "the program cannot be read".to_owned(),
            source,
        })?;
        let program = match needs(&bytes) {
            Ok((EM_X86_64, glibc)) => Some((Machine::X86_64, glibc)),
            Ok((EM_AARCH64, glibc)) => Some((Machine::Aarch64, glibc)),
            _ => None,
        };
        let Some((machine, glibc)) = program else {
            return Err(Failure::Usage {
                message: format!(
                    "`{}` is no program for Linux on x86-64 or ARM",
                    path.display()
                ),
                hint: None,
            });
        };
        Ok(Self {
            path: path.to_owned(),
            machine,
            glibc,
        })
    }

    /// Refuses a program that needs a newer C library than there is `where_it_runs`.
    pub(crate) fn check_runs_with(&self, there: Glibc, where_it_runs: &str) -> Result<(), Failure> {
        match self.glibc {
            Some(needed) if needed > there => Err(Failure::Usage {
                message: format!(
                    "`{}` needs glibc {needed}, and {where_it_runs} has {there}",
                    self.path.display()
                ),
                hint: Some(
                    "`./dev bootstrap` in a checkout of Transom builds programs for an older one"
                        .to_owned(),
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// The machine of an ELF file, and the newest version of glibc that its symbols ask for.
fn needs(elf: &[u8]) -> object::read::Result<(u16, Option<Glibc>)> {
    let header = FileHeader64::<LittleEndian>::parse(elf)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, elf)?;
    let mut newest = None;
    if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, elf)? {
        let strings = sections.strings(endian, elf, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                newest = newest.max(glibc(version.name(endian, strings)?));
            }
        }
    }
    Ok((header.e_machine(endian), newest))
}

/// The version in a name like `GLIBC_2.34`.
fn glibc(name: &[u8]) -> Option<Glibc> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = name.split('.').map(str::parse);
    Some(Glibc(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |name: &str| glibc(name.as_bytes());
        assert_eq!(version("GLIBC_2.2.5"), Some(Glibc(2, 2)));
        assert!(version("GLIBC_2.4") < version("GLIBC_2.34"));
        assert_eq!(version("GLIBC_PRIVATE"), None);
        assert_eq!(version("GCC_3.0"), None);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn this_program_says_what_it_needs() {
        let program = Program::read(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Some(program.machine), Machine::of_this_program());
        assert!(program.glibc > Some(Glibc(2, 2)));
        assert!(program.check_runs_with(Glibc(2, 2), "a museum").is_err());
        assert!(program.check_runs_with(Glibc(3, 0), "the future").is_ok());
    }
}
