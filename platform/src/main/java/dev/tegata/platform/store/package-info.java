// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The way to PostgreSQL: connections, transactions behind the tenant's wall, migrations, and the embedded server.
///
/// ```text
/// Database            transactions: inTenant, acrossTenants, installation
/// DatabaseConfig      which server, which role
/// EmbeddedPostgres    a real server of our own in the data folder
/// Json                the one JSON reader and writer for what is stored
/// ```
@NullMarked
package dev.tegata.platform.store;

import org.jspecify.annotations.NullMarked;
