// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Keys, the vaults that hold them, and the signatures they make.
@NullMarked
package dev.tegata.pki.key;

import org.jspecify.annotations.NullMarked;
