//! Python plugins: a project becomes a zip. Nothing is compiled, so this needs no tool of Python.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use transom_build::{BuildOptions, Language, build, component_path, is_stale};

/// Writes a project as small as one can be to `root/weather`; returns its folder.
fn write_project(root: &Path) -> PathBuf {
    let folder = root.join("weather");
    fs_err::create_dir_all(folder.join("tests")).unwrap();
    let project = "[project]\nname = \"weather\"\nversion = \"0.2.0\"\n";
    fs_err::write(folder.join("pyproject.toml"), project).unwrap();
    fs_err::write(folder.join("weather.py"), "import transom\n").unwrap();
    fs_err::write(folder.join("requirements.txt"), "# nothing yet\n").unwrap();
    fs_err::write(folder.join("tests/test_weather.py"), "").unwrap();
    folder
}

#[test]
fn a_project_becomes_a_zip_with_a_manifest_and_the_same_digest_in_any_folder() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = write_project(first.path());
    assert!(is_stale(&folder).unwrap());
    let built = build(&folder, &BuildOptions::default()).unwrap();

    assert_eq!(
        (built.name.as_str(), built.language),
        ("weather", Language::Python)
    );
    assert_eq!(
        built.component,
        component_path(&folder.canonicalize().unwrap()).unwrap()
    );
    assert!(built.component.ends_with(".transom/weather.zip"));
    assert!(!is_stale(&folder).unwrap());

    let files = read_archive(&built.component);
    assert!(files.keys().eq(["transom.json", "weather.py"]), "{files:?}");
    let manifest: serde_json::Value = serde_json::from_str(&files["transom.json"]).unwrap();
    let expected = serde_json::json!({
        "format": 1,
        "language": "python",
        "contract": "0.1.0",
        "name": "weather",
        "version": "0.2.0",
        "entry": "weather",
        "roots": [""],
    });
    assert_eq!(manifest, expected);

    let other = write_project(&second.path().join("another/checkout"));
    let again = build(&other, &BuildOptions::default()).unwrap();
    assert_eq!(again.digest, built.digest);
}

#[test]
fn the_contract_that_the_manifest_names_is_that_of_the_repository() {
    let wit =
        fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/transom.wit"))
            .unwrap();
    assert!(wit.starts_with("package transom:plugin@0.1.0;"));
}

/// The files of an archive, by name.
fn read_archive(path: &Path) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(fs_err::File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        })
        .collect()
}

/// Puts a wheel of the package `name` into `folder`, for the platform `tag`.
fn write_wheel(folder: &Path, name: &str, tag: &str) {
    write_wheel_with(folder, name, tag, "ONE = 1\n");
}

/// The same, with a module that holds `code`.
fn write_wheel_with(folder: &Path, name: &str, tag: &str, code: &str) {
    let info = format!("{name}-1.0.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    let wheel = format!(
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-{tag}\n"
    );
    let record = format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
    let files = [
        (format!("{name}.py"), code.to_owned()),
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/WHEEL"), wheel),
        (format!("{info}/RECORD"), record),
    ];
    fs_err::create_dir_all(folder).unwrap();
    let file = fs_err::File::create(folder.join(format!("{name}-1.0-py3-none-{tag}.whl"))).unwrap();
    let mut writer = zip::ZipWriter::new(file);
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (path, content) in files {
        writer.start_file(path, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

/// Whether there is a pip to install with. On a machine without, the tests that need it say so and pass, unless `CI` is set.
fn has_pip() -> bool {
    let ran = std::process::Command::new("python3")
        .args(["-m", "pip", "--version"])
        .output();
    let has = ran.is_ok_and(|output| output.status.success());
    assert!(has || std::env::var_os("CI").is_none(), "there is no pip");
    if !has {
        eprintln!("skipped: there is no pip");
    }
    has
}

/// Asks for `package` out of the wheels beside the project, and for nothing of the network.
fn require(folder: &Path, package: &str) {
    let list = format!(
        "--no-index\n--find-links {}\n{package}\n",
        folder.join("wheels").display()
    );
    fs_err::write(folder.join("requirements.txt"), list).unwrap();
}

#[test]
fn a_pure_package_of_the_requirements_is_packed_beside_the_source() {
    if !has_pip() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = write_project(root.path());
    write_wheel(&folder.join("wheels"), "tiny", "any");
    require(&folder, "tiny==1.0");
    let built = build(&folder, &BuildOptions::default()).unwrap();
    let files = read_archive(&built.component);
    for name in [
        "vendor/tiny-1.0.dist-info/METADATA",
        "vendor/tiny-1.0.dist-info/WHEEL",
        "vendor/tiny.py",
    ] {
        assert!(files.contains_key(name), "no {name} in {files:?}");
    }
}

#[test]
fn a_wheel_beside_the_source_is_installed_as_it_is_now_and_not_as_it_was() {
    if !has_pip() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = write_project(root.path());
    let list = "tiny-1.0-py3-none-any.whl\n";
    fs_err::write(folder.join("requirements.txt"), list).unwrap();
    for number in ["ONE = 1\n", "ONE = 1.0\n"] {
        write_wheel_with(&folder, "tiny", "any", number);
        let built = build(&folder, &BuildOptions::default()).unwrap();
        assert_eq!(read_archive(&built.component)["vendor/tiny.py"], number);
    }
}

#[test]
fn the_sdk_is_not_asked_of_pip_by_a_list_that_another_names_either() {
    if !has_pip() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = write_project(root.path());
    write_wheel(&folder.join("my wheels"), "tiny", "any");
    let list = "--no-index\n-f 'my wheels'\n-r ../common/all.txt\n";
    fs_err::write(folder.join("requirements.txt"), list).unwrap();
    fs_err::create_dir_all(root.path().join("common")).unwrap();
    fs_err::write(root.path().join("common/all.txt"), "transom\ntiny\n").unwrap();
    let built = build(&folder, &BuildOptions::default()).unwrap();
    let files = read_archive(&built.component);
    assert!(files.contains_key("vendor/tiny.py"), "{files:?}");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_package_with_native_code_is_refused_by_name_and_one_that_does_not_exist_is_pips_to_report() {
    use transom_build::{BuildError, BuildErrorKind};

    if !has_pip() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = write_project(root.path());
    write_wheel(&folder.join("wheels"), "fast", "linux_x86_64");
    require(&folder, "fast");
    let error = build(&folder, &BuildOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`fast` contains native code, which a plugin in Python cannot run"
    );
    assert_eq!(error.kind(), BuildErrorKind::Source);
    assert!(error.hint().unwrap().contains("pure Python"));

    require(&folder, "fats");
    let error = build(&folder, &BuildOptions::default()).unwrap_err();
    assert!(matches!(error, BuildError::Compile { .. }), "{error}");
}
