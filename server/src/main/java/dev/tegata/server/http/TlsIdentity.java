// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.nio.file.Path;
import java.util.Optional;

/// What TLS listeners show of themselves.
public sealed interface TlsIdentity permits LocalTlsIdentity, SuppliedTlsIdentity {
    /// The certificate chain and its key as they are now.
    PemMaterial material();

    /// Renews or reads again what needs it.
    ///
    /// @return whether [#material()] has changed
    boolean refresh();

    /// The file with the CA certificate that clients must be told to trust; empty where the operator brought their own.
    Optional<Path> authorityFile();
}
