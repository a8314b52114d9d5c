-- Acknowledged messages that no replica holds and nobody processed, by lane.
WITH acked AS (
    SELECT DISTINCT lane, session, sequence FROM history WHERE event = 'send-acked'
),
kept AS (
    SELECT DISTINCT session, sequence FROM history
    WHERE event IN ('audit-read', 'processed') AND NOT corrupt AND NOT foreign
)
SELECT acked.lane, count(*) AS lost
FROM acked LEFT ANTI JOIN kept ON acked.session = kept.session AND acked.sequence = kept.sequence
GROUP BY acked.lane
ORDER BY acked.lane
