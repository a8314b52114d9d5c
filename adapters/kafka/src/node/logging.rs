//! Logging to standard output, with times, whichever log4j the version has.

use std::path::{Path, PathBuf};

use delivery_broker::NodeFile;

const PATTERN: &str = "%d{yyyy-MM-dd HH:mm:ss.SSS} %p %m (%c)%n";

/// Configuration of log4j 2 (Kafka 4).
pub(super) fn log4j2_path(data_dir: &Path) -> PathBuf {
    data_dir.join("log4j2.properties")
}

/// Configuration of reload4j (Kafka 3).
pub(super) fn reload4j_path(data_dir: &Path) -> PathBuf {
    data_dir.join("log4j.properties")
}

/// Both files; each library reads its own.
pub(super) fn files(data_dir: &Path) -> Vec<NodeFile> {
    let log4j2 = format!(
        "status=error\n\
         appender.out.type=Console\n\
         appender.out.name=out\n\
         appender.out.target=SYSTEM_OUT\n\
         appender.out.layout.type=PatternLayout\n\
         appender.out.layout.pattern={PATTERN}\n\
         rootLogger.level=info\n\
         rootLogger.appenderRef.out.ref=out\n"
    );
    let reload4j = format!(
        "log4j.rootLogger=INFO, out\n\
         log4j.appender.out=org.apache.log4j.ConsoleAppender\n\
         log4j.appender.out.target=System.out\n\
         log4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
         log4j.appender.out.layout.ConversionPattern={PATTERN}\n"
    );
    vec![
        NodeFile { path: log4j2_path(data_dir), text: log4j2 },
        NodeFile { path: reload4j_path(data_dir), text: reload4j },
    ]
}
