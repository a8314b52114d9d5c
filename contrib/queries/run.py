"""Runs the queries beside this file on histories as Parquet: python3 run.py MEMORY_GB FILE.parquet...

Needs `pip install datafusion`. What does not fit into that much memory goes to the disk meanwhile.
"""

import pathlib
import sys

from datafusion import RuntimeEnvBuilder, SessionContext


def main() -> None:
    memory_bytes = int(float(sys.argv[1]) * 2**30)
    runtime = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(memory_bytes)
    context = SessionContext(runtime=runtime)
    parts = []
    for number, path in enumerate(sys.argv[2:]):
        context.register_parquet(f"part_{number}", path)
        parts.append(f"SELECT * FROM part_{number}")
    context.sql(f"CREATE VIEW history AS {' UNION ALL '.join(parts)}")
    for query in sorted(pathlib.Path(__file__).parent.glob("*.sql")):
        print(f"{query.name}:")
        context.sql(query.read_text()).show()


main()
