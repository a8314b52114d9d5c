# The whole of `verify`: the program, what its local backend needs, a JRE, the default Kafka and the distribution's RabbitMQ.
#
#     docker compose build verify                                      this machine's architecture
#     docker buildx build --platform linux/amd64,linux/arm64 .         both
#
# It makes namespaces inside its container: docker-compose.yml has the rights that needs.
ARG DEBIAN=bookworm

FROM rust:1-${DEBIAN} AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        build-essential pkg-config zlib1g-dev libssl-dev maven openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p delivery-verifier
RUN VERIFY_CACHE_DIR=/opt/delivery-verifier/cache target/release/verify kafka --install-only

FROM debian:${DEBIAN}-slim
RUN apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates iproute2 libfaketime libssl3 nftables openjdk-17-jre-headless rabbitmq-server xz-utils \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/target/release/verify /usr/local/bin/verify
COPY --from=build /opt/delivery-verifier/cache /opt/delivery-verifier/cache
ENV VERIFY_CACHE_DIR=/opt/delivery-verifier/cache
# A class archive fits one build of a JRE, and this one may not be that of the stage above.
RUN verify kafka --install-only
WORKDIR /verify
ENTRYPOINT ["verify"]
CMD ["--help"]
