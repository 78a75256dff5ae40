import { useEffect, useRef, useState } from 'preact/hooks';
import type { Upload } from '../desk.js';

interface Props {
  isFirst: boolean; // there is no photo yet: the page is all drop zone
  uploads: readonly Upload[];
  onFiles: (files: File[]) => void;
}

// Files can be dropped anywhere on the page, or chosen.
export function DropZone({ isFirst, uploads, onFiles }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const isDragging = useDropAnywhere(onFiles);
  const choose = (): void => {
    const files = [...(input.current?.files ?? [])];
    if (input.current) input.current.value = '';
    if (files.length > 0) onFiles(files);
  };

  return (
    <section class={`drop ${isFirst ? 'drop-first' : ''}`} aria-label="Add photos">
      <div class="drop-text">
        <strong>{isFirst ? 'Add your first photos' : 'Add photos'}</strong>
        <span class="muted">Drop them anywhere on the page, or choose up to twenty at once</span>
      </div>
      <label class="button button-strong">
        Choose photos
        <input ref={input} type="file" class="visually-hidden" multiple accept="image/*" onChange={choose} />
      </label>
      {uploads.map(({ id, label, share }) => (
        <div key={id} class="uploading">
          <span>
            {share < 1 ? 'Sending' : 'Storing'} {label}
          </span>
          <span
            class="bar"
            role="progressbar"
            aria-label={`Sending ${label}`}
            aria-valuenow={Math.round(share * 100)}
            aria-valuemin={0}
            aria-valuemax={100}
          >
            <span class="bar-fill" style={{ inlineSize: `${Math.round(share * 100)}%` }} />
          </span>
        </div>
      ))}
      {isDragging && (
        <div class="drop-curtain" aria-hidden="true">
          <span>Let go to develop</span>
        </div>
      )}
    </section>
  );
}

function useDropAnywhere(onFiles: (files: File[]) => void): boolean {
  const [isDragging, setDragging] = useState(false);
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const holdsFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;
    const over = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      setDragging(true);
    };
    addEventListener('dragenter', over, { signal });
    addEventListener('dragover', over, { signal });
    addEventListener('dragleave', (event) => event.relatedTarget === null && setDragging(false), { signal });
    addEventListener(
      'drop',
      (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setDragging(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        if (files.length > 0) latest.current(files);
      },
      { signal },
    );
    return () => leaving.abort();
  }, []);
  return isDragging;
}
