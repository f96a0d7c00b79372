// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
/// Backups of one tenant: everything that it is, in one sealed file, and back into an installation.
@NullMarked
package dev.tegata.platform.backup;

import org.jspecify.annotations.NullMarked;
