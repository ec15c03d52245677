//! That the patch line is in force, so that the other files test what they seem to.

use std::any::type_name;

use ecosystem::on_each_flavor;
use tokio::runtime::Handle;

#[test]
fn tokio_is_corelane() {
    for name in [type_name::<tokio::net::TcpStream>(), type_name::<tokio::runtime::Runtime>()] {
        assert!(name.starts_with("corelane::"), "{name}");
    }
}

#[test]
fn the_flavors_are_those_asked_for() {
    let flavors = std::cell::RefCell::new(Vec::new());
    on_each_flavor(async || flavors.borrow_mut().push(format!("{:?}", Handle::current().runtime_flavor())));
    let sharded = std::env::var("CORELANE_FLAVOR").is_ok_and(|flavor| flavor == "sharded");
    let first = if sharded { "Sharded" } else { "MultiThread" };
    assert_eq!(flavors.into_inner(), [first, "CurrentThread"]);
}
