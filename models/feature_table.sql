-- Market, text and alternative data at each decision, as they were known then.
-- Registered: micro, sentiment, signals. Parameter: $date. The parts named ext are written by feature_table.py, one
-- set for each signal name.
-- Every float mean is taken over a list in a fixed order, so equal inputs give equal bits.
WITH symbols AS (SELECT DISTINCT symbol FROM micro),

-- A headline about "*" speaks of every instrument.
texts AS (
    SELECT symbols.symbol, sentiment.available_at, sentiment.text_id, sentiment.score
    FROM sentiment
    JOIN symbols ON sentiment.symbol = symbols.symbol OR sentiment.symbol = '*'
    WHERE sentiment.score IS NOT NULL
),

-- Headlines of the same instant are one arrival: their mean, or the result would depend on the order of rows.
arrivals AS (
    SELECT symbol, available_at, list_avg(list(score ORDER BY text_id, score)) AS score
    FROM texts
    GROUP BY symbol, available_at
),

-- The 24-hour window changes only when a text enters it or, a day later, leaves it.
turns AS (
    SELECT symbol, available_at AS at FROM texts
    UNION
    SELECT symbol, available_at + {day_ns} AS at FROM texts
),

windows AS (
    SELECT
        turns.symbol,
        turns.at,
        count(texts.score) AS texts_24h,
        list_avg(
            list(texts.score ORDER BY texts.available_at, texts.text_id, texts.score)
            FILTER (WHERE texts.score IS NOT NULL)
        ) AS mean_24h
    FROM turns
    LEFT JOIN texts
        ON texts.symbol = turns.symbol
        AND texts.available_at <= turns.at
        AND texts.available_at > turns.at - {day_ns}
    GROUP BY turns.symbol, turns.at
){ext_ctes}

SELECT
    micro.ts,
    greatest(micro.available_at, arrivals.available_at{ext_available}) AS available_at,
    $date AS date,
    micro.* EXCLUDE (ts, available_at),
    coalesce(arrivals.score, 0.0) AS sent_last,
    least(coalesce((micro.ts - arrivals.available_at) / 3.6e12, {age_cap_h}), {age_cap_h})::DOUBLE AS sent_age_h,
    coalesce(windows.mean_24h, 0.0) AS sent_mean_24h,
    coalesce(windows.texts_24h, 0)::DOUBLE AS news_count_24h{ext_columns}
FROM micro
ASOF LEFT JOIN arrivals ON micro.symbol = arrivals.symbol AND micro.available_at >= arrivals.available_at
ASOF LEFT JOIN windows ON micro.symbol = windows.symbol AND micro.available_at >= windows.at{ext_joins}
ORDER BY micro.ts, micro.symbol
