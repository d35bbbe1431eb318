//! The routes of bench/apps/fast.c in axum, on one thread: `bench_axum PORT`.
use axum::{
    extract::Query,
    routing::{get, post},
    Json, Router,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Sides {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Squares {
    a: i64,
    b: i64,
    sum_of_squares: i64,
}

#[derive(Deserialize, Serialize)]
struct Numbers {
    numbers: Vec<i64>,
}

async fn plain() -> Json<&'static str> {
    Json("Hello, World!")
}

async fn sum_squares(Query(sides): Query<Sides>) -> Json<Squares> {
    Json(Squares {
        a: sides.a,
        b: sides.b,
        sum_of_squares: sides.a * sides.a + sides.b * sides.b,
    })
}

async fn echo(Json(numbers): Json<Numbers>) -> Json<Numbers> {
    Json(numbers)
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).expect("a port");
    let app = Router::new()
        .route("/plain", get(plain))
        .route("/sum-squares", get(sum_squares))
        .route("/echo", post(echo));
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(async {
            let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
            axum::serve(listener, app).await
        })
}
