/** The Pilothouse server extension, asked from a cell's output: it answers while the kernel is busy. */

/**
 * Ask the server to stop a run.
 *
 * @returns false when there is no server extension to ask.
 * @throws Error with the server's text when it refuses.
 */
export async function stopRun(name: string): Promise<boolean> {
  const base = Private.baseUrl();
  if (base === undefined) {
    return false;
  }
  const response = await fetch(
    `${base}pilothouse/api/v1/runs/${encodeURIComponent(name)}/stop`,
    {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        "X-XSRFToken": Private.cookie("_xsrf"),
      },
      body: "{}",
    },
  );
  if (response.ok) {
    return true;
  }
  const answer = (await response.json().catch(() => null)) as {
    code?: string;
    message?: string;
  } | null;
  if (!answer?.code) {
    return false; // a server without our extension
  }
  throw new Error(answer.message ?? response.statusText);
}

namespace Private {
  /** The Jupyter server's base URL, as its page says it. */
  export function baseUrl(): string | undefined {
    const text = document.getElementById("jupyter-config-data")?.textContent;
    if (!text) {
      return undefined;
    }
    const { baseUrl } = JSON.parse(text) as { baseUrl?: string };
    return (
      baseUrl && new URL(baseUrl, document.baseURI).href.replace(/\/*$/, "/")
    );
  }

  /** The value of a cookie, or nothing. */
  export function cookie(name: string): string {
    const found = document.cookie
      .split("; ")
      .find((part) => part.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }
}
