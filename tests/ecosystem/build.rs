//! Has tonic write the code of a service. The service is defined here, as its definition in a file would need protoc.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let numbers = Service::builder()
        .package("ecosystem")
        .name("Numbers")
        .method(method("double", "Double").build())
        .method(method("sum", "Sum").client_streaming().build())
        .method(method("count", "Count").server_streaming().build())
        .method(method("running_sum", "RunningSum").client_streaming().server_streaming().build())
        .build();
    Builder::new().compile(&[numbers]);
}

fn method(name: &str, route: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type("crate::Number")
        .output_type("crate::Number")
        .codec_path("tonic_prost::ProstCodec")
}
