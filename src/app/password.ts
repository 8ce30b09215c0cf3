import { appErrors } from './errors.ts'

/** The first line of the standard input; throws `app.usage` where it is empty. */
export async function readPassword(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += String(chunk)
  const password = text.split('\n')[0] ?? ''
  if (password === '') throw appErrors.usage('give the password on standard input')
  return password
}
