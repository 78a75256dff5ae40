// An aperture.
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="12.5" />
      <path d="M11.3 4.4 20.3 20M22.8 5.4 13.8 21M28.4 15.5H10.4M20.7 27.6 11.7 12M9.2 26.6l9-15.6M3.6 16.5h18" />
    </svg>
  );
}
