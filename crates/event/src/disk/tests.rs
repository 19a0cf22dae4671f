use super::*;

/// What every disk does the same way, as long as the power stays on.
fn contract(disk: &dyn Disk, root: &Path) {
    let folder = root.join("a/b");
    create_dirs_synced(disk, root, &folder).expect("folders");
    let path = folder.join("x");
    let mut file = disk.create(&path).expect("new file");
    assert!(disk.create(&path).is_err(), "no second file of one name");
    file.append(b"hello ").expect("append");
    file.append(b"world").expect("append");
    file.sync().expect("sync");
    assert_eq!(file.len(), 11);
    assert_eq!(disk.read(&path).expect("read"), b"hello world");
    assert_eq!(disk.read_at(&path, 6, 100).expect("read"), b"world");
    assert_eq!(disk.read_at(&path, 60, 1).expect("read"), b"");
    disk.truncate(&path, 5).expect("truncate");
    assert_eq!(disk.len(&path).expect("len"), 5);
    let moved = folder.join("y");
    disk.rename(&path, &moved).expect("rename");
    disk.sync_dir(&folder).expect("sync");
    assert!(!disk.exists(&path) && disk.exists(&moved));
    assert_eq!(disk.list(&folder).expect("list"), std::slice::from_ref(&moved));
    assert_eq!(disk.list_dirs(root).expect("list"), [root.join("a")]);
    assert!(disk.list(&root.join("none")).expect("absent is empty").is_empty());
    disk.remove(&moved).expect("remove");
    assert!(disk.read(&moved).is_err());
}

#[test]
fn both_disks_keep_the_contract() {
    contract(&FaultDisk::new(1), Path::new("/data"));
    let name = format!("haetae-disk-{}", std::process::id());
    let root = std::env::temp_dir().join(name);
    contract(&RealDisk, &root);
    std::fs::remove_dir_all(&root).expect("clean up");
}

#[test]
fn synced_content_under_a_synced_name_survives_every_seed() {
    for seed in 0..200 {
        let disk = FaultDisk::new(seed);
        let (root, path) = (Path::new("/d"), Path::new("/d/x"));
        create_dirs_synced(&disk, root, root).expect("folder");
        let mut file = disk.create(path).expect("file");
        file.append(b"kept").expect("append");
        file.sync().expect("sync");
        disk.sync_dir(root).expect("sync");
        file.append(b"lost or torn").expect("append");
        disk.crash();
        assert!(file.append(b"x").is_err(), "handles die with the power");
        assert!(disk.read(path).expect("present").starts_with(b"kept"));
    }
}

#[test]
fn unsynced_names_and_content_are_lost_for_some_seed() {
    let lost = |sync_file: bool, sync_dir: bool| {
        (0..200).any(|seed| {
            let disk = FaultDisk::new(seed);
            let (root, path) = (Path::new("/d"), Path::new("/d/x"));
            create_dirs_synced(&disk, root, root).expect("folder");
            let mut file = disk.create(path).expect("file");
            file.append(b"data").expect("append");
            if sync_file {
                file.sync().expect("sync");
            }
            if sync_dir {
                disk.sync_dir(root).expect("sync");
            }
            disk.crash();
            disk.read(path).ok().as_deref() != Some(b"data")
        })
    };
    assert!(lost(false, true) && lost(true, false));
    assert!(!lost(true, true));
}
