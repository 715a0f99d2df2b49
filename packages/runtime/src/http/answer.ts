/** What a client reads out of an answer that refuses. */

/** Milliseconds that `Retry-After` asks for (RFC 9110: seconds, or a date); null where it says nothing of use. */
export function retryAfterMs(response: Response): number | null {
  const value = response.headers.get('retry-after')?.trim() ?? ''
  if (value === '') return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

/** The `detail` of an RFC 9457 body; null where something else than a Weaklink answered in its own way. */
export function problemDetail(text: string): string | null {
  try {
    const { detail } = Object(JSON.parse(text)) as { detail?: unknown }
    return typeof detail === 'string' ? detail : null
  } catch {
    return null
  }
}
