//! `/samples`: rows in, rows, latest values and buckets out.

use axum::Json;
use sdk::{
    AggregateQuery, RangeQuery, Scope,
    http::{Body, Method, Permission, Problem, Query, Route, route},
};
use serde::{Deserialize, Serialize};
use types::{
    BatchHeader, CataloguedPoint, Fault, Latest, ObjectId, Origin, PointId, Quality, SampleBatch, Section,
    SourceId, Time, Value, codes,
};

/// Rows a query returns when it names no limit.
const ROWS_DEFAULT: usize = 10_000;
/// Buckets a query returns when it names no number.
const BUCKETS_DEFAULT: u32 = 600;
/// Points one query may name.
const POINTS_MAX: usize = 5_000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route(Method::Get, "/samples/latest", Permission::Read, latest)
            .summary("Newest value of points")
            .query("points", "ids, separated by commas", false)
            .query("device", "all points of a device", false)
            .query("asset", "all points of an asset", false)
            .returns::<LatestList>(200),
        route(Method::Get, "/samples", Permission::Read, range)
            .summary("Stored rows of one point")
            .query("point", "id", true)
            .query("from", "start, inclusive", true)
            .query("to", "end, exclusive", true)
            .query("limit", "most rows", false)
            .query("order", "asc or desc", false)
            .returns::<RowList>(200),
        route(Method::Get, "/samples/aggregate", Permission::Read, aggregate)
            .summary("Rows of points summed up in equal spans")
            .query("points", "ids, separated by commas", true)
            .query("from", "start, inclusive", true)
            .query("to", "end, exclusive", true)
            .query("buckets", "how many spans", false)
            .query(
                "exact",
                "false: rows near an edge may be in the span beside it, and years take milliseconds",
                false,
            )
            .returns::<BucketList>(200),
        route(Method::Post, "/samples", Permission::Configure, append)
            .summary("Store rows; durable when answered")
            .body::<NewRows>()
            .returns_nothing(204),
        route(Method::Get, "/live", Permission::Read, crate::live::open)
            .summary("Live values over a WebSocket: send {\"subscribe\": [ids]}"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatestQuery {
    points: Option<String>,
    device: Option<ObjectId>,
    asset: Option<ObjectId>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct LatestList {
    items: Vec<Option<LatestRow>>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct LatestRow {
    point: ObjectId,
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
    value_time: Option<Time>,
    quality: u32,
    quality_name: String,
    quality_time: Time,
    recorded: Time,
}

impl LatestRow {
    fn of(point: ObjectId, latest: Latest) -> LatestRow {
        LatestRow {
            point,
            value_time: latest.value.is_some().then_some(latest.value_time),
            value: latest.value.map(|v| v.to_json()),
            quality: latest.quality.0,
            quality_name: latest.quality.name().into(),
            quality_time: latest.quality_time,
            recorded: latest.recorded,
        }
    }
}

async fn latest(scope: Scope, Query(query): Query<LatestQuery>) -> Result<Json<LatestList>, Problem> {
    let points: Vec<Option<CataloguedPoint>> = match &query.points {
        Some(ids) => scope.plant.points_by_object(&parse_ids(ids)?),
        None if query.device.is_some() || query.asset.is_some() => {
            let wanted = sdk::PointQuery {
                device: query.device,
                asset: query.asset,
                limit: POINTS_MAX,
                ..Default::default()
            };
            scope.plant.points(&wanted).into_iter().map(Some).collect()
        }
        None => {
            let detail = "name what you want: points=…, device=… or asset=…";
            return Err(Fault::new(codes::INVALID, detail).at("query").into());
        }
    };
    let ids: Vec<PointId> = points.iter().flatten().map(|p| p.id).collect();
    let mut found = scope.samples.latest(&ids).into_iter();
    let items = points
        .into_iter()
        .map(|p| p.and_then(|p| found.next().flatten().map(|l| LatestRow::of(p.object, l))));
    Ok(Json(LatestList { items: items.collect() }))
}

fn parse_ids(text: &str) -> Result<Vec<ObjectId>, Problem> {
    let ids: Result<Vec<ObjectId>, _> = text.split(',').filter(|t| !t.is_empty()).map(str::parse).collect();
    let ids = ids.map_err(|e| Fault::new(codes::INVALID, e.to_string()).at("points"))?;
    if ids.len() > POINTS_MAX {
        let detail = format!("{} points in one query: ask for at most {POINTS_MAX}", ids.len());
        return Err(Fault::new(codes::INVALID, detail).at("points").into());
    }
    Ok(ids)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeParameters {
    point: ObjectId,
    from: Time,
    to: Time,
    limit: Option<usize>,
    #[serde(default)]
    order: Order,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Asc,
    Desc,
}

#[derive(Serialize, utoipa::ToSchema)]
struct RowList {
    items: Vec<StoredRow>,
    truncated: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct StoredRow {
    time: Time,
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
    quality: u32,
}

async fn range(scope: Scope, Query(query): Query<RangeParameters>) -> Result<Json<RowList>, Problem> {
    let point = one_point(&scope, query.point)?;
    let limit = query.limit.unwrap_or(ROWS_DEFAULT).min(sdk::Samples::ROWS_MAX - 1);
    let newest_first = query.order == Order::Desc;
    let asked = RangeQuery {
        points: vec![point.id],
        from: query.from,
        to: query.to,
        limit_rows: limit + 1,
        newest_first,
    };
    let sections = scope.samples.range(asked).await?;
    let mut items: Vec<StoredRow> = sections
        .iter()
        .flat_map(Section::rows)
        .map(|(_, time, value, quality)| StoredRow {
            time,
            value: value.map(|v| v.to_json()),
            quality: quality.0,
        })
        .collect();
    // Sections are by type: a row without a value stands apart from its neighbours until here.
    items.sort_by_key(|row| row.time);
    if newest_first {
        items.reverse();
    }
    let truncated = items.len() > limit;
    items.truncate(limit);
    Ok(Json(RowList { items, truncated }))
}

fn one_point(scope: &Scope, id: ObjectId) -> Result<CataloguedPoint, Problem> {
    scope.plant.points_by_object(&[id]).pop().flatten().ok_or_else(|| super::not_found("point"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AggregateParameters {
    points: String,
    from: Time,
    to: Time,
    buckets: Option<u32>,
    exact: Option<bool>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct BucketList {
    items: Vec<BucketColumns>,
}

/// Columns, one entry a bucket; null where nothing fell into it.
#[derive(Serialize, utoipa::ToSchema)]
struct BucketColumns {
    point: ObjectId,
    /// Start of each bucket, ms since 1970.
    start: Vec<i64>,
    count: Vec<u64>,
    bad: Vec<u64>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    mean: Vec<Option<f64>>,
    first: Vec<Option<f64>>,
    last: Vec<Option<f64>>,
}

async fn aggregate(
    scope: Scope,
    Query(query): Query<AggregateParameters>,
) -> Result<Json<BucketList>, Problem> {
    let points: Vec<CataloguedPoint> =
        scope.plant.points_by_object(&parse_ids(&query.points)?).into_iter().flatten().collect();
    if query.to <= query.from {
        return Err(Fault::new(codes::INVALID, "`to` is not after `from`: choose a later end")
            .at("to")
            .into());
    }
    let asked = AggregateQuery {
        points: points.iter().map(|p| p.id).collect(),
        from: query.from,
        to: query.to,
        buckets: query.buckets.unwrap_or(BUCKETS_DEFAULT),
        exact: query.exact.unwrap_or(true),
    };
    let found = scope.samples.aggregate(asked).await?;
    let columns = |a: types::Aggregate| {
        let object = points.iter().find(|p| p.id == a.point)?.object;
        let number = |f: fn(&types::Bucket) -> f64| {
            a.buckets.iter().map(|b| (b.count > 0).then(|| f(b)).filter(|v| v.is_finite())).collect()
        };
        Some(BucketColumns {
            point: object,
            start: a.buckets.iter().map(|b| b.start.unix_ms()).collect(),
            count: a.buckets.iter().map(|b| b.count).collect(),
            bad: a.buckets.iter().map(|b| b.bad).collect(),
            min: number(|b| b.min),
            max: number(|b| b.max),
            mean: number(|b| b.sum / b.count as f64),
            first: a.buckets.iter().map(|b| b.first.map(|(_, v)| v)).collect(),
            last: a.buckets.iter().map(|b| b.last.map(|(_, v)| v)).collect(),
        })
    };
    Ok(Json(BucketList { items: found.into_iter().filter_map(columns).collect() }))
}

/// Rows to store.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRows {
    /// How they came to be; `manual` when it is not said.
    #[serde(default = "manual")]
    origin: Origin,
    rows: Vec<NewRow>,
}

fn manual() -> Origin {
    Origin::Manual
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRow {
    point: ObjectId,
    time: Time,
    /// As the API writes values; null for a row that only says that there is no value.
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
    /// OPC UA status code; Good when it is not said.
    #[serde(default)]
    quality: Quality,
}

async fn append(scope: Scope, Body(new): Body<NewRows>) -> Result<axum::http::StatusCode, Problem> {
    let objects: Vec<ObjectId> = new.rows.iter().map(|r| r.point).collect();
    let points = scope.plant.points_by_object(&objects);
    let mut rows: Vec<(PointId, Time, Option<Value>, Quality)> = Vec::with_capacity(new.rows.len());
    let mut faults = Vec::new();
    for (index, (row, point)) in new.rows.into_iter().zip(points).enumerate() {
        let Some(point) = point else {
            let fault = Fault::new(codes::NOT_FOUND, "there is no such point: look up its id");
            faults.push(fault.at(format!("/rows/{index}/point")));
            continue;
        };
        match row.value.map(|v| Value::from_json(point.point.value_type, &v)).transpose() {
            Ok(value) => rows.push((point.id, row.time, value, row.quality)),
            Err(error) => faults.push(
                Fault::new(codes::INVALID, format!("{error}: send a value of the point's type"))
                    .at(format!("/rows/{index}/value")),
            ),
        }
    }
    if !faults.is_empty() {
        faults.truncate(100);
        return Err(faults.into());
    }
    // The samples port numbers and stamps the batch; only the sections are of interest here.
    let unnumbered = BatchHeader {
        source: SourceId(0),
        epoch: 0,
        first_sequence: 0,
        recorded: Time(0),
        origin: new.origin,
    };
    let sections = SampleBatch::from_rows(unnumbered, rows).sections;
    scope.samples.append(new.origin, sections).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
