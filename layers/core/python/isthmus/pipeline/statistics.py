"""Derived tables: feerates per block, and what the latest blocks look like together."""

STATISTICS_SQL = """
WITH ranked AS (
  SELECT height, fee_sat * 4000 // weight AS feerate, fee_sat, weight, replaceable, segwit,
         sum(weight) OVER (PARTITION BY height ORDER BY fee_sat * 4000 // weight, tx_index) AS reached,
         sum(weight) OVER (PARTITION BY height) AS total
  FROM transactions WHERE tx_index > 0),
rates AS (
  SELECT height, count(*)::INTEGER AS payments, sum(fee_sat)::BIGINT AS fees_sat,
         sum(replaceable::INTEGER)::INTEGER AS replaceable, sum(segwit::INTEGER)::INTEGER AS segwit,
         min(feerate) AS feerate_min,
         min(feerate) FILTER (reached >= total * 0.10) AS feerate_p10,
         min(feerate) FILTER (reached >= total * 0.25) AS feerate_p25,
         min(feerate) FILTER (reached >= total * 0.50) AS feerate_p50,
         min(feerate) FILTER (reached >= total * 0.75) AS feerate_p75,
         min(feerate) FILTER (reached >= total * 0.90) AS feerate_p90,
         max(feerate) AS feerate_max
  FROM ranked GROUP BY height)
SELECT blocks.height, blocks.block_hash, blocks.time, blocks.size, blocks.weight, blocks.coinbase_sat,
       coalesce(payments, 0) AS payments, coalesce(fees_sat, 0) AS fees_sat, coalesce(replaceable, 0) AS replaceable,
       coalesce(segwit, 0) AS segwit, feerate_min, feerate_p10, feerate_p25, feerate_p50, feerate_p75, feerate_p90,
       feerate_max
FROM blocks LEFT JOIN rates USING (height) ORDER BY blocks.height
"""
"""One row per block; feerates in sat per 1,000 vbytes at getblockstats' weight percentiles, NULL without payments."""

FEERATES_SQL = """
SELECT height, lower(hex(block_hash)) AS block_hash, time, payments, fees_sat, weight, feerate_p10, feerate_p25,
       feerate_p50, feerate_p75, feerate_p90
FROM statistics WHERE height >= {first} ORDER BY height
"""

FLOWS_SQL = """
SELECT direction, script_type, sum(outputs)::BIGINT AS outputs, sum(value_sat)::BIGINT AS value_sat
FROM flows WHERE height >= {first} GROUP BY ALL ORDER BY direction, value_sat DESC, script_type
"""
