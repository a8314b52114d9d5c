//! What registries are asked for.

use std::io;
use std::sync::Once;
use std::time::Duration;

use delivery_broker::{ConfigError, InstallError};
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential};
use futures::StreamExt as _;
use oci_client::client::{BlobResponse, Client, ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;

use crate::blobs::{Blobs, Partial};
use crate::layer::Packing;
use crate::name::ImageName;

/// Longest silence of a registry.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Times a download is taken up again where it broke off without a byte having come.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// More than any image has.
const MAX_LAYERS: usize = 512;
/// Bytes between two lines of progress.
const PROGRESS_EVERY: u64 = 64 << 20;

/// An image whose layers are in the cache, lowest first.
pub(crate) struct Image {
    /// Of its manifest.
    pub(crate) digest: String,
    pub(crate) layers: Vec<Layer>,
}

pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) packing: Packing,
}

/// Brings every layer of the image into the cache: that of this machine's architecture, where it has several.
pub(crate) fn pull(name: &ImageName, blobs: &Blobs, progress: &mut dyn FnMut(&str)) -> Result<Image, InstallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(name, "starting the client", &error.to_string()))?;
    runtime.block_on(async {
        let client = client(name)?;
        let auth = credentials(name)?;
        progress(&format!("asking {} for {name}", name.0.resolve_registry()));
        let pulled = client.pull_image_manifest(&name.0, &auth).await;
        let (manifest, digest) = pulled.map_err(|error| refused(name, &error))?;
        if manifest.layers.is_empty() || manifest.layers.len() > MAX_LAYERS {
            let told = format!("it has {} layers", manifest.layers.len());
            return Err(failed(name, "reading its manifest", &told));
        }
        let count = manifest.layers.len();
        let mut layers = Vec::with_capacity(count);
        for (index, layer) in manifest.layers.iter().enumerate() {
            let packing = Packing::of(&layer.media_type).ok_or_else(|| {
                failed(
                    name,
                    "reading its manifest",
                    &format!("`{}` is no layer of files that could be unpacked", layer.media_type),
                )
            })?;
            let mut told = |got: u64| {
                let (got, size) = (got >> 20, layer.size.max(0) >> 20);
                progress(&format!("layer {} of {count}: {got} of {size} MiB", index + 1));
            };
            fetch(&client, name, layer, blobs, &mut told).await?;
            layers.push(Layer { digest: layer.digest.clone(), packing });
        }
        Ok(Image { digest, layers })
    })
}

fn client(name: &ImageName) -> Result<Client, InstallError> {
    static PROVIDER: Once = Once::new();
    // It fails only where one is installed already, which serves as well.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let protocol = if name.is_local() { ClientProtocol::Http } else { ClientProtocol::Https };
    let config = ClientConfig {
        protocol,
        read_timeout: Some(SILENCE_LIMIT),
        connect_timeout: Some(SILENCE_LIMIT),
        user_agent: concat!("delivery-verifier/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| failed(name, "starting the client", &error.to_string()))
}

/// What `docker login` has kept for the registry; nothing where there is nothing.
fn credentials(name: &ImageName) -> Result<RegistryAuth, InstallError> {
    match get_credential(name.0.resolve_registry()) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(ConfigError::Invalid {
            setting: String::from("--image"),
            value: name.to_string(),
            reason: String::from(
                "the registry's login is an identity token, which is not supported: log in with a user and a password",
            ),
        }
        .into()),
        // A helper's own failure is told; that nobody has logged in is not one.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(failed(name, "reading the registry's login", &format!("the credential helper {helper} failed")))
        }
        Err(_) => Ok(RegistryAuth::Anonymous),
    }
}

/// Brings a layer into the cache, going on where an earlier download broke off.
async fn fetch(
    client: &Client,
    name: &ImageName,
    layer: &OciDescriptor,
    blobs: &Blobs,
    told: &mut dyn FnMut(u64),
) -> Result<(), InstallError> {
    let disk = |error: io::Error| failed(name, &format!("keeping layer {}", layer.digest), &error.to_string());
    if blobs.has(&layer.digest).map_err(disk)? {
        return Ok(());
    }
    let mut partial = blobs.partial(&layer.digest).map_err(disk)?;
    if blobs.has(&layer.digest).map_err(disk)? {
        // Another process had it meanwhile.
        return Ok(());
    }
    let size = u64::try_from(layer.size).unwrap_or(0);
    let mut tries = 0;
    while partial.length().map_err(disk)? < size {
        let before = partial.length().map_err(disk)?;
        match go_on(client, name, layer, &mut partial, size, told).await {
            Ok(()) => {}
            Err(Broken::Disk(error)) => return Err(disk(error)),
            Err(Broken::Line(error)) => {
                tries = if partial.length().map_err(disk)? > before { 0 } else { tries + 1 };
                if tries >= TRIES || is_final(&error) {
                    return Err(refused(name, &error));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    if partial.finish().map_err(disk)? {
        return Ok(());
    }
    let told = format!("what came as layer {} is not what its digest says", layer.digest);
    Err(failed(name, "downloading it", &told))
}

enum Broken {
    Disk(io::Error),
    Line(OciDistributionError),
}

/// One request for what is missing of a layer.
async fn go_on(
    client: &Client,
    name: &ImageName,
    layer: &OciDescriptor,
    partial: &mut Partial,
    size: u64,
    told: &mut dyn FnMut(u64),
) -> Result<(), Broken> {
    let mut got = partial.length().map_err(Broken::Disk)?;
    let answer = client.pull_blob_stream_partial(&name.0, layer, got, None).await.map_err(Broken::Line)?;
    let SizedStream { mut stream, .. } = match answer {
        BlobResponse::Partial(stream) => stream,
        BlobResponse::Full(stream) => {
            partial.clear().map_err(Broken::Disk)?;
            got = 0;
            stream
        }
    };
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|error| Broken::Line(error.into()))?;
        let next = got + bytes.len() as u64;
        if next > size {
            partial.clear().map_err(Broken::Disk)?;
            return Err(Broken::Line(OciDistributionError::SpecViolationError(String::from(
                "a layer is longer than its manifest says",
            ))));
        }
        partial.append(&bytes).map_err(Broken::Disk)?;
        if next / PROGRESS_EVERY > got / PROGRESS_EVERY {
            told(next);
        }
        got = next;
    }
    if got < size {
        let told = format!("the line ended after {got} of {size} bytes");
        return Err(Broken::Line(io::Error::new(io::ErrorKind::UnexpectedEof, told).into()));
    }
    Ok(())
}

/// Whether asking again is of no use.
fn is_final(error: &OciDistributionError) -> bool {
    matches!(
        error,
        OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_)
            | OciDistributionError::RegistryError { .. }
            | OciDistributionError::ImageManifestNotFoundError(_)
            | OciDistributionError::SpecViolationError(_)
    )
}

fn refused(name: &ImageName, error: &OciDistributionError) -> InstallError {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // Libraries say the same once more at every level, or do not.
        if !told.contains(&cause.to_string()) {
            told.push_str(&format!(": {cause}"));
        }
        source = cause.source();
    }
    failed(name, "asking the registry", &told)
}

fn failed(name: &ImageName, what: &str, cause: &str) -> InstallError {
    InstallError::Failed {
        what: format!("{what} for {name}"),
        cause: cause.trim_end_matches('.').to_owned(),
        remedy: String::from(
            "Check the name, the tag and the network; for an image that is not public, `docker login` first.",
        ),
    }
}
