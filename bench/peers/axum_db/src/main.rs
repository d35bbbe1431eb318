//! The routes of bench/apps/db.c in axum and deadpool-postgres, on one thread:
//! `bench_axum_db PORT URL`.
use axum::{
    extract::{Path, State},
    http::StatusCode,
    routing::get,
    Json, Router,
};
use deadpool_postgres::{Config, Pool, PoolConfig, PoolError, Runtime};
use futures_util::future::try_join_all;
use serde::Serialize;
use tokio_postgres::{NoTls, Row};

#[derive(Serialize)]
struct Item {
    id: i64,
    name: String,
    email: String,
    score: f64,
}

#[derive(Serialize)]
struct Updated {
    updated: u64,
}

struct Failure(String);

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Failure(error.to_string())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure(error.to_string())
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}

fn item(row: &Row) -> Item {
    Item {
        id: row.get(0),
        name: row.get(1),
        email: row.get(2),
        score: row.get(3),
    }
}

async fn one(State(pool): State<Pool>, Path(id): Path<i64>) -> Result<Json<Item>, Failure> {
    let client = pool.get().await?;
    let sql = "select id, name, email, score from items where id = $1";
    let statement = client.prepare_cached(sql).await?;
    Ok(Json(item(&client.query_one(&statement, &[&id]).await?)))
}

async fn many(
    State(pool): State<Pool>,
    Path(after): Path<i64>,
) -> Result<Json<Vec<Item>>, Failure> {
    let client = pool.get().await?;
    let sql = "select id, name, email, score from items where id > $1 order by id limit 20";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&after]).await?;
    Ok(Json(rows.iter().map(item).collect()))
}

async fn update(
    State(pool): State<Pool>,
    Path(after): Path<i64>,
) -> Result<Json<Updated>, Failure> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let sql = "update counters set total = total + 1 where id = $1";
    let statement = transaction.prepare_cached(sql).await?;
    let mut updated = 0;
    for id in after + 1..=after + 20 {
        updated += transaction.execute(&statement, &[&id]).await?;
    }
    transaction.commit().await?;
    Ok(Json(Updated { updated }))
}

/// What is asked at once goes out at once: tokio-postgres pipelines it.
async fn batch(
    State(pool): State<Pool>,
    Path(after): Path<i64>,
) -> Result<Json<Updated>, Failure> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let sql = "update counters set total = total + 1 where id = $1";
    let statement = transaction.prepare_cached(sql).await?;
    let ids: Vec<i64> = (after + 1..=after + 20).collect();
    let done = try_join_all(ids.iter().map(|id| {
        let (transaction, statement) = (&transaction, &statement);
        async move { transaction.execute(statement, &[id]).await }
    }))
    .await?;
    transaction.commit().await?;
    let updated = done.iter().sum();
    Ok(Json(Updated { updated }))
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect("a port");
    let mut config = Config::new();
    config.url = Some(arguments.next().expect("a URL"));
    config.pool = Some(PoolConfig::new(10));
    let pool = config
        .create_pool(Some(Runtime::Tokio1), NoTls)
        .expect("a pool");
    let app = Router::new()
        .route("/items/{id}", get(one))
        .route("/after/{after}", get(many))
        .route("/update/{after}", get(update))
        .route("/batch/{after}", get(batch))
        .with_state(pool);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
            axum::serve(listener, app).await
        })
}
