// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The certificate authorities of tenants: how they are made, taken in, and used to issue.
@NullMarked
package dev.tegata.platform.authority;

import org.jspecify.annotations.NullMarked;
