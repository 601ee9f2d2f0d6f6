//! The sources that mutants are made of: a copy of the checkout below the build outputs.

use super::entry::{CHOSEN, Entry, List};
use crate::error::WithHint;
use crate::paths::{self, Checkout};
use crate::process;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What names the place of the chosen number in an image; the number follows, big endian, with 0
/// for none.
pub const MARK: [u8; 14] = *b"oxrtas mutant:";
/// The crate that the blob and the firmware have in common.
const SHARED: &str = "rtas/abi/src/lib.rs";
/// What it gets in the copy.
const SWITCH: &str = r#"
/// Which mutant an image is: written into it behind the mark, in each copy of this.
pub mod mutant {
    static CHOSEN: [u8; 16] = *b"oxrtas mutant:\0\0";

    /// Whether it is this one.
    #[inline(never)]
    pub fn is(number: u16) -> bool {
        let [.., high, low] = *core::hint::black_box(&CHOSEN);
        u16::from_be_bytes([high, low]) == number
    }
}
"#;

/// Texts by their paths from the root of the checkout.
type Texts = BTreeMap<String, String>;

/// The number of the mutant at `index` of the list.
pub fn number(index: usize) -> Result<u16> {
    u16::try_from(index + 1).context("there are too many mutants")
}

/// The text of `file` in the checkout at `workspace`.
fn text_of(workspace: &Path, file: &str) -> Result<String> {
    fs::read_to_string(workspace.join(file)).with_context(|| format!("cannot read {file}"))
}

/// `text`, that of `file`, with `new` in place of `old`; `who` wants that.
fn changed(text: &str, who: &str, file: &str, old: &str, new: &str) -> Result<String> {
    let count = text.matches(old).count();
    if count != 1 {
        return Err(anyhow!(
            "{who} does not apply: its old text is {count} times in {file}"
        ))
        .hint(format!(
            "give it the text that is there now; an entry whose rule is no longer in {file} goes"
        ));
    }
    Ok(text.replacen(old, new, 1))
}

/// `text` with the fault of `entry`.
fn broken(text: &str, entry: &Entry, new: &str) -> Result<String> {
    let who = format!("the mutant {}", entry.name);
    changed(text, &who, &entry.file, &entry.old, new)
}

/// The sources that the list changes: all preparations and all switched mutants applied.
pub fn switched(workspace: &Path, list: &List) -> Result<Texts> {
    let mut texts = Texts::new();
    for it in &list.preparations {
        let text = match texts.remove(&it.file) {
            Some(text) => text,
            None => text_of(workspace, &it.file)?,
        };
        let text = changed(&text, "a preparation", &it.file, &it.old, &it.new)?;
        texts.insert(it.file.clone(), text);
    }
    for (index, entry) in list.mutants.iter().enumerate() {
        // Each applies to what is there, not to what another one made of it.
        let original = text_of(workspace, &entry.file)?;
        broken(&original, entry, &entry.new)?;
        if !entry.is_switched() {
            continue;
        }
        let text = texts.entry(entry.file.clone()).or_insert(original);
        let chosen = format!("rtas_abi::mutant::is({})", number(index)?);
        *text = broken(text, entry, &entry.new.replace(CHOSEN, &chosen)).with_context(|| {
            format!("{} changes what an earlier mutant has changed", entry.name)
        })?;
    }
    let shared = match texts.remove(SHARED) {
        Some(text) => text,
        None => text_of(workspace, SHARED)?,
    };
    texts.insert(SHARED.to_owned(), shared + SWITCH);
    Ok(texts)
}

/// The source that a mutant with an image of its own changes, on top of `switched`.
pub fn alone(workspace: &Path, switched: &Texts, entry: &Entry) -> Result<Texts> {
    let text = match switched.get(&entry.file) {
        Some(text) => text.clone(),
        None => text_of(workspace, &entry.file)?,
    };
    let text = broken(&text, entry, &entry.new)?;
    let mut texts = switched.clone();
    texts.insert(entry.file.clone(), text);
    Ok(texts)
}

/// The copy.
#[derive(Debug)]
pub struct Copy {
    /// Where it is, and what is built of it.
    pub checkout: Checkout,
}

impl Copy {
    /// Makes it, or brings it up to date.
    pub fn make() -> Result<Self> {
        let directory = paths::target_directory("mutants")?;
        let checkout = Checkout {
            workspace: directory.join("source"),
            target: directory.join("target"),
        };
        for path in [&checkout.workspace, &checkout.target] {
            fs::create_dir_all(path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(Self { checkout })
    }

    /// Gives it the files of the checkout, those in `texts` with these texts. What does not change
    /// keeps its time, so that cargo builds no more than it has to.
    pub fn fill(&self, texts: &Texts) -> Result<()> {
        let from = paths::workspace();
        let files = files(&from)?;
        for file in &files {
            let bytes = match texts.get(file) {
                Some(text) => text.clone().into_bytes(),
                None => fs::read(from.join(file)).with_context(|| format!("cannot read {file}"))?,
            };
            let to = self.checkout.workspace.join(file);
            if fs::read(&to).is_ok_and(|seen| seen == bytes) {
                continue;
            }
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
            let permissions = fs::metadata(from.join(file))?.permissions();
            fs::set_permissions(&to, permissions)?;
        }
        self.remove_others(&files)
    }

    /// Removes sources that the checkout no longer has.
    fn remove_others(&self, files: &BTreeSet<String>) -> Result<()> {
        let mut open = vec![self.checkout.workspace.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(own) = path.strip_prefix(&self.checkout.workspace)
                    && !files.contains(&*own.to_string_lossy())
                {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}

/// The files of the checkout, committed or not.
fn files(workspace: &Path) -> Result<BTreeSet<String>> {
    let mut git = Command::new("git");
    git.current_dir(workspace).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]);
    let listed = process::output(&mut git).hint("mutants are made of a git checkout")?;
    let files = listed.split('\0').filter(|file| !file.is_empty());
    // A file that was removed and not committed is still listed.
    let files = files.filter(|file| workspace.join(file).is_file());
    Ok(files.map(str::to_owned).collect())
}

/// The image that is the mutant of this number: `image` with the number in it.
pub fn choose(image: &[u8], number: u16) -> Result<Vec<u8>> {
    let mut image = image.to_vec();
    let places: Vec<usize> = image
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MARK)
        .map(|(at, _)| at + MARK.len())
        .collect();
    // One in the blob, one in the firmware.
    if places.is_empty() || places.len() > 2 {
        bail!(
            "{} places in the image say which mutant it is",
            places.len()
        );
    }
    for at in places {
        image
            .get_mut(at..at + 2)
            .context("the image ends in its mark")?
            .copy_from_slice(&number.to_be_bytes());
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::entry::{self, Preparation};

    fn change(old: &str, new: &str) -> Entry {
        Entry {
            name: "m".to_owned(),
            breaks: vec!["R1-1".to_owned()],
            file: "f.rs".to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
            groups: String::new(),
            run: String::new(),
        }
    }

    fn list(mutants: &[Entry]) -> List {
        List {
            mutants: mutants.to_vec(),
            ..List::default()
        }
    }

    fn checkout() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("rtas/abi/src")).unwrap();
        fs::write(directory.path().join(SHARED), "//! Shared.\n").unwrap();
        fs::write(directory.path().join("f.rs"), "one\ntwo\nthree three\n").unwrap();
        directory
    }

    #[test]
    fn every_mutant_applies_to_the_sources() {
        let workspace = paths::workspace();
        let list = entry::read(&workspace).unwrap();
        let texts = switched(&workspace, &list).unwrap();
        for entry in list.mutants.iter().filter(|entry| !entry.is_switched()) {
            alone(&workspace, &texts, entry).unwrap();
        }
    }

    #[test]
    fn a_text_that_is_not_there_exactly_once_is_an_error_with_a_hint() {
        let directory = checkout();
        for old in ["four", "three"] {
            let error = switched(directory.path(), &list(&[change(old, "x")])).unwrap_err();
            let text = crate::error::describe(&error);
            assert!(
                text.contains("times in f.rs") && text.contains("hint: "),
                "{text}"
            );
        }
    }

    #[test]
    fn switched_mutants_share_their_sources_and_know_their_numbers() {
        let directory = checkout();
        let entries = [
            change("one", "if MUTANT {1} else {one}"),
            change("two", "2"),
            change("one", "if MUTANT {0} else {one}"),
        ];
        let texts = switched(directory.path(), &list(&entries)).unwrap();
        let wanted =
            "if rtas_abi::mutant::is(1) {1} else {if rtas_abi::mutant::is(3) {0} else {one}}";
        assert_eq!(texts["f.rs"], format!("{wanted}\ntwo\nthree three\n"));
        assert!(texts[SHARED].contains("pub mod mutant"));
        let own = alone(directory.path(), &texts, &entries[1]).unwrap();
        assert_eq!(own["f.rs"], format!("{wanted}\n2\nthree three\n"));
    }

    #[test]
    fn preparations_come_before_every_mutant() {
        let directory = checkout();
        let mut list = list(&[change("two", "if MUTANT {2} else {two}")]);
        list.preparations.push(Preparation {
            file: "f.rs".to_owned(),
            old: "one".to_owned(),
            new: "1".to_owned(),
        });
        let texts = switched(directory.path(), &list).unwrap();
        assert!(texts["f.rs"].starts_with("1\nif rtas_abi::mutant::is(1) {2}"));
        list.preparations[0].old = "four".to_owned();
        assert!(switched(directory.path(), &list).is_err());
    }

    #[test]
    fn the_number_is_written_behind_each_mark() {
        let image = [b"ab".as_slice(), &MARK, &[0, 0], b"c", &MARK, &[0, 0], b"d"].concat();
        let chosen = choose(&image, 0x102).unwrap();
        assert_eq!(chosen.len(), image.len());
        let places = [2 + MARK.len(), 2 + MARK.len() + 3 + MARK.len()];
        for at in places {
            assert_eq!(chosen[at..at + 2], [1, 2]);
        }
        assert!(choose(b"nothing", 1).is_err());
        assert!(SWITCH.contains(core::str::from_utf8(&MARK).unwrap()));
    }
}
