-- Messages that one consumer group processed more than once, by lane and group.
WITH processed AS (
    SELECT lane, consumer_group, session, sequence, count(*) AS times FROM history
    WHERE event = 'processed' AND NOT corrupt AND NOT foreign
    GROUP BY lane, consumer_group, session, sequence
)
SELECT lane, consumer_group, count(*) AS messages
FROM processed
WHERE times > 1
GROUP BY lane, consumer_group
ORDER BY lane, consumer_group
