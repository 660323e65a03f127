//! Finds scenario files.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The scenario files among these files and below these folders, sorted, each once.
///
/// # Errors
/// A path that does not exist or cannot be read, or a folder without scenarios, in words.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        let kind = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if kind.is_dir() {
            below(path, &mut found)?;
            if found.len() == before {
                return Err(format!("there is no scenario, a file *.toml, in `{}` or below it", path.display()));
            }
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The name of a scenario: its path below the last folder called `scenarios`, or else its file's name, both without
/// the extension.
pub fn name_of(path: &Path) -> String {
    let path = path.with_extension("");
    let parts: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy()),
            _ => None,
        })
        .collect();
    let folders = &parts[..parts.len().saturating_sub(1)];
    match folders.iter().rposition(|folder| folder == "scenarios") {
        Some(place) => parts[place + 1..].join("/"),
        None => parts.last().map(|name| name.to_string()).unwrap_or_default(),
    }
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?);
        if kind.is_dir() {
            below(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_path_below_scenarios() {
        for (path, name) in [
            ("scenarios/disk/torn-write.toml", "disk/torn-write"),
            ("/a/scenarios/b/scenarios/c.toml", "c"),
            ("../x/leader.toml", "leader"),
            ("scenarios.toml", "scenarios"),
            ("./scenarios/v1.5.toml", "v1.5"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
        }
    }

    #[test]
    fn folders_are_searched_and_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        for file in ["z.toml", "b/c/y.toml", "b/notes.md", "b/a.toml"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let root = folder.path().to_owned();
        let found = discover(&[root.clone(), root.join("z.toml")]).unwrap();
        assert_eq!(found, [root.join("b/a.toml"), root.join("b/c/y.toml"), root.join("z.toml")]);
        assert!(discover(&[root.join("empty")]).unwrap_err().contains("no scenario"));
        assert!(discover(&[root.join("nowhere")]).unwrap_err().contains("nowhere"));
    }
}
