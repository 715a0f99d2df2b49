const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `3 Mar 2024`, of an instant as 2024-03-03T10:21:00.000Z, in UTC. */
export function dayText(iso: string): string {
  const date = new Date(iso)
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`
}

/** `10:21`, in UTC. */
export function timeText(iso: string): string {
  return iso.slice(11, 16)
}
