import { isJsonObject } from '#kernel/json.ts'
import type { OpenApiDocument } from './openapi.ts'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; text-transform: capitalize }
details { border: 1px solid #8886; border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer } code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { overflow: auto; max-height: 24rem; padding: .6rem; background: #8881; border-radius: 4px }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700 }
.note { color: #777 } dt { font-weight: 600; margin-top: .6rem }
`

/** One page that shows the document, complete in itself. */
export function renderDocs(document: OpenApiDocument): string {
  const info = objectOf(document['info'])
  const calls = listCalls(document)
  const sections = [...Map.groupBy(calls, ({ tag }) => tag)].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info['title'])}</title><style>${STYLE}</style></head><body>
<h1>${escape(info['title'])}</h1>
<p>${escape(info['description'])}</p>
<p class="note">Version ${escape(info['version'])}. The same as <a href="/v1/openapi.json">OpenAPI 3.1</a>.</p>
${sections.map(([tag, list]) => renderSection(tag, list)).join('\n')}
</body></html>
`
}

interface Call {
  readonly method: string
  readonly path: string
  readonly tag: string
  readonly operation: Readonly<Record<string, unknown>>
}

function listCalls(document: OpenApiDocument): readonly Call[] {
  return Object.entries(objectOf(document['paths'])).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, value]) => {
      const operation = objectOf(value)
      const tag = Array.isArray(operation['tags']) ? String(operation['tags'][0]) : 'other'
      return { method: method.toUpperCase(), path, tag, operation }
    }),
  )
}

function renderSection(tag: string, calls: readonly Call[]): string {
  return `<h2>${escape(tag)}</h2>\n${calls.map(renderCall).join('\n')}`
}

function renderCall({ method, path, operation }: Call): string {
  const permission = operation['x-permission'] ?? 'public'
  const body = objectOf(operation['requestBody'])
  const responses = Object.entries(objectOf(operation['responses']))
  return `<details><summary><span class="method">${method}</span><code>${escape(path)}</code>
 ${escape(operation['summary'])}</summary>
<p class="note">Permission: ${escape(permission)}</p>
${renderSchema('Parameters', operation['parameters'])}
${renderSchema('Body', schemaOf(body))}
<dl>${responses.map(([status, response]) => renderResponse(status, objectOf(response))).join('')}</dl>
</details>`
}

function renderResponse(status: string, response: Readonly<Record<string, unknown>>): string {
  const lines = String(response['description']).split('\n\n').map(escape).join('<br>')
  return `<dt>${escape(status)}</dt><dd>${lines}${renderSchema('', schemaOf(response))}</dd>`
}

function schemaOf(holder: Readonly<Record<string, unknown>>): unknown {
  return objectOf(objectOf(holder['content'])['application/json'])['schema']
}

function renderSchema(title: string, schema: unknown): string {
  if (schema === undefined || (Array.isArray(schema) && schema.length === 0)) return ''
  const heading = title === '' ? '' : `<p>${escape(title)}</p>`
  return `${heading}<pre>${escape(JSON.stringify(schema, null, 2))}</pre>`
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return isJsonObject(value) ? value : {}
}

function escape(value: unknown): string {
  return (typeof value === 'string' ? value : '').replaceAll(
    /[&<>"']/g,
    (character) => `&#${character.codePointAt(0) ?? 0};`,
  )
}
