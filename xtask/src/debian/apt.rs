//! A private apt: its own lists, state and downloads for a foreign architecture, and nothing of it
//! installed. The system's proxy settings are kept, its hooks are not.

use super::sources::{self, Suites};
use crate::process;
use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// For which machine packages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The guest. Nothing counts as installed there, so dependencies come out whole.
    Guest,
    /// This one: what is installed need not be fetched.
    Host,
}

impl Machine {
    fn architecture(self) -> &'static str {
        match self {
            Self::Guest => "ppc64el",
            Self::Host => "amd64",
        }
    }
}

/// A package file that apt chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, epoch included.
    pub version: String,
    /// Size of its file, in bytes.
    pub size: u64,
}

/// The private apt below one directory.
#[derive(Debug)]
pub struct Apt {
    directory: PathBuf,
}

impl Apt {
    /// Opens it, writing its configuration, and fetches the lists if there are none or `refresh`
    /// asks for it.
    pub fn open(directory: &Path, suites: Suites, refresh: bool) -> Result<Self> {
        let archive = sources::archive(Path::new("/etc/apt"))?;
        for part in ["state/lists/partial", "cache/archives/partial", "empty"] {
            fs::create_dir_all(directory.join(part)).context("cannot make the apt directory")?;
        }
        fs::write(directory.join("status"), "")?;
        // What the lists depend on beside time: the archive that they come from.
        let wanted = archive.source_list(suites);
        fs::write(directory.join("sources.list"), &wanted)?;
        let apt = Self {
            directory: directory.to_owned(),
        };
        apt.write_configuration()?;
        let stamp = directory.join("updated");
        let current = fs::read_to_string(&stamp).is_ok_and(|seen| seen == wanted);
        if refresh || !current {
            let step = Step::start("fetching Debian's package lists");
            let mut update = apt.command("apt-get", Machine::Guest);
            process::output(update.arg("update"))?;
            fs::write(&stamp, wanted)?;
            step.finish();
        }
        Ok(apt)
    }

    /// What apt is told by a file, since a list cannot be cleared on its command line: the system's
    /// settings for fetching, and nothing else of its configuration.
    fn write_configuration(&self) -> Result<()> {
        let dump = process::output(Command::new("apt-config").arg("dump"))?;
        let mut text: String = dump
            .lines()
            .filter(|line| line.starts_with("Acquire::"))
            .map(|line| format!("{line}\n"))
            .collect();
        let directory = self.directory.display();
        text.push_str(&format!(
            "Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"{directory}/empty\";\n\
             Dir::Etc::sourcelist \"{directory}/sources.list\";\n\
             Dir::Etc::sourceparts \"{directory}/empty\";\n\
             Dir::Etc::preferences \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"{directory}/empty\";\n\
             Dir::State \"{directory}/state\";\n\
             Dir::Cache \"{directory}/cache\";\n\
             Acquire::Languages \"none\";\n\
             APT::Sandbox::User \"\";\n\
             APT::Architectures {{ \"amd64\"; \"ppc64el\"; }};\n"
        ));
        fs::write(self.directory.join("apt.conf"), text).context("cannot write apt.conf")
    }

    fn command(&self, program: &str, machine: Machine) -> Command {
        let status = match machine {
            Machine::Guest => self.directory.join("status"),
            Machine::Host => PathBuf::from("/var/lib/dpkg/status"),
        };
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.directory.join("apt.conf"))
            .env("LC_ALL", "C")
            .arg("-o")
            .arg(format!("Dir::State::status={}", status.display()))
            .arg("-o")
            .arg(format!("APT::Architecture={}", machine.architecture()));
        command
    }

    /// The packages that installing `names` from `release` would fetch, dependencies included and
    /// recommendations not. `keep` chooses among them by name.
    pub fn resolve(
        &self,
        machine: Machine,
        release: &str,
        names: &[&str],
        keep: impl Fn(&str) -> bool,
    ) -> Result<Vec<Package>> {
        let mut command = self.command("apt-get", machine);
        command
            .args(["-t", release, "install", "-y", "--no-install-recommends"])
            .args(["--reinstall", "--print-uris", "-qq"])
            .args(names);
        let text = process::output(&mut command)?;
        let packages: Vec<Package> = text
            .lines()
            .filter_map(parse_uri_line)
            .filter(|package| keep(&package.name))
            .collect();
        if packages.is_empty() {
            bail!("apt finds nothing to fetch for {names:?} of {release}");
        }
        Ok(packages)
    }

    /// Fetches `packages` and unpacks them below `root`. apt checks each against the signed lists.
    pub fn unpack(
        &self,
        machine: Machine,
        packages: &[Package],
        what: &str,
        root: &Path,
    ) -> Result<()> {
        let downloads = tempfile::tempdir_in(&self.directory)?;
        let total = packages.iter().map(|package| package.size).sum();
        let step = Step::start_bytes(format!("downloading {what}"), total);
        let mut command = self.command("apt-get", machine);
        command
            .current_dir(downloads.path())
            .args(["-qq", "download"])
            .args(packages.iter().map(|package| {
                let Package { name, version, .. } = package;
                format!("{name}={version}")
            }))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(downloads.path().join("errors"))?);
        let mut child = command.spawn().context("cannot run apt-get")?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            step.set(size_of_files(downloads.path()));
            std::thread::sleep(Duration::from_millis(50));
        };
        if !status.success() {
            let errors = fs::read_to_string(downloads.path().join("errors")).unwrap_or_default();
            bail!("the download of {what} failed:\n{}", process::tail(&errors));
        }
        step.finish();
        let step = Step::start(format!("unpacking {what}"));
        fs::create_dir_all(root)?;
        for file in fs::read_dir(downloads.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                step.detail(&path.file_name().unwrap_or_default().to_string_lossy());
                process::output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(root))?;
            }
        }
        step.finish();
        Ok(())
    }
}

/// A line of `--print-uris`: `'URI' name_version_architecture.deb size hash`.
fn parse_uri_line(line: &str) -> Option<Package> {
    let rest = line.strip_prefix('\'')?;
    let mut words = rest.split_whitespace().skip(1);
    let (file, size) = (words.next()?, words.next()?);
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some(Package {
        name: name.to_owned(),
        // apt writes the colon of an epoch so that it can stand in a file name.
        version: version.replace("%3a", ":"),
        size: size.parse().ok()?,
    })
}

fn size_of_files(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_list_gives_name_version_and_size() {
        let line = "'http://mirror/pool/z/zlib1g_1.2.13.dfsg-1_ppc64el.deb' \
                    zlib1g_1%3a1.2.13.dfsg-1_ppc64el.deb 85400 MD5Sum:8238";
        let package = parse_uri_line(line).unwrap();
        assert_eq!(package.name, "zlib1g");
        assert_eq!(package.version, "1:1.2.13.dfsg-1");
        assert_eq!(package.size, 85_400);
    }

    #[test]
    fn other_lines_of_apt_are_not_packages() {
        for line in [
            "",
            "Reading package lists...",
            "'uri'",
            "'uri' name_only.deb",
        ] {
            assert_eq!(parse_uri_line(line), None, "{line}");
        }
    }
}
