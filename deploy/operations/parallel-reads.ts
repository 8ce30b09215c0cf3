const AT_ONCE = 16

/** Reads something of each item, a few at a time; the answers in the order of the items. */
export async function readEach<T, R>(
  items: readonly T[],
  read: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const answers: R[] = []
  for (const group of groupsOf(items, AT_ONCE)) {
    answers.push(...(await Promise.all(group.map(async (item) => await read(item)))))
  }
  return answers
}

export function groupsOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, place) =>
    items.slice(place * size, (place + 1) * size),
  )
}
