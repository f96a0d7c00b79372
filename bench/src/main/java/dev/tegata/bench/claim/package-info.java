// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// How fast purchase manifests are claimed, beside what the machine can verify.
@NullMarked
package dev.tegata.bench.claim;

import org.jspecify.annotations.NullMarked;
